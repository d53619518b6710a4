package origami

import "slices"

// Grants says which accounts other than the owner may use an image or a
// snapshot.
type Grants struct {
	Public   bool // every account
	Accounts []AccountID
	// Organizations are organizations and organizational units, whose
	// accounts and those of all units below are meant. Snapshots have none.
	Organizations []OrganizationARN
}

// Empty reports whether nobody is granted anything.
func (g Grants) Empty() bool { return !g.Public && g.Entities() == 0 }

// Entities is how many accounts, organizations and units are named.
func (g Grants) Entities() int { return len(g.Accounts) + len(g.Organizations) }

// Change returns what g becomes when add is granted and then remove is taken
// away. Granting what is granted, and taking away what is not, changes
// nothing.
func (g Grants) Change(add, remove Grants) Grants {
	return Grants{
		Public:        (g.Public || add.Public) && !remove.Public,
		Accounts:      change(g.Accounts, add.Accounts, remove.Accounts),
		Organizations: change(g.Organizations, add.Organizations, remove.Organizations),
	}
}

// change lists what is in old or add and not in remove, each once, in order.
func change[T comparable](old, add, remove []T) []T {
	gone := make(map[T]bool, len(remove))
	for _, v := range remove {
		gone[v] = true
	}
	var out []T
	for _, v := range slices.Concat(old, add) {
		if !gone[v] {
			out, gone[v] = append(out, v), true
		}
	}
	return out
}
