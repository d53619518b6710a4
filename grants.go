package origami

import "slices"

// Grants says which accounts other than the owner may use an image or a
// snapshot.
type Grants struct {
	Public   bool // every account
	Accounts []AccountID
}

// Empty reports whether nobody is granted anything.
func (g Grants) Empty() bool { return !g.Public && len(g.Accounts) == 0 }

// Change returns what g becomes when add is granted and then remove is taken
// away. Granting what is granted, and taking away what is not, changes
// nothing.
func (g Grants) Change(add, remove Grants) Grants {
	out := Grants{Public: (g.Public || add.Public) && !remove.Public}
	for _, a := range slices.Concat(g.Accounts, add.Accounts) {
		if !slices.Contains(remove.Accounts, a) && !slices.Contains(out.Accounts, a) {
			out.Accounts = append(out.Accounts, a)
		}
	}
	return out
}
