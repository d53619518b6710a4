package metadb

import "database/sql"

// Count is how many rows have the same words.
type Count struct {
	Words []string // as the function says that counts
	N     int64
}

// CountTasks counts the tasks of all accounts and regions, those that ended and
// are still kept too, by kind and state.
func (tx *Tx) CountTasks() ([]Count, error) {
	return tx.count(`SELECT kind, state, COUNT(*) FROM tasks GROUP BY kind, state ORDER BY kind, state`)
}

// CountInstances counts the instances of all accounts by region and state.
func (tx *Tx) CountInstances() ([]Count, error) {
	return tx.count(`SELECT region, state, COUNT(*) FROM instances GROUP BY region, state ORDER BY region, state`)
}

func (tx *Tx) count(query string) ([]Count, error) {
	return collect(tx, func(r *sql.Rows) (Count, error) {
		c := Count{Words: make([]string, 2)}
		err := r.Scan(&c.Words[0], &c.Words[1], &c.N)
		return c, err
	}, query)
}
