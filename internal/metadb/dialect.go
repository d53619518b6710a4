package metadb

import (
	"database/sql"
	"math/bits"
	"strconv"
	"strings"
)

// dialect is what differs between the engines.
type dialect struct {
	// view and update are the options of the two kinds of transaction.
	view, update *sql.TxOptions
	// conflict tells errors after which a transaction is begun again, and
	// duplicate those of them that say a unique key is taken.
	conflict, duplicate func(error) bool
	// full tells errors of a disk that has no space left.
	full func(error) bool
	// rebind puts the engine's parameter marks in place of "?".
	rebind func(string) string
	// ddl puts the engine's words into a migration.
	ddl func(string) string
	// forUpdate ends a SELECT of rows that are about to be changed;
	// skipLocked one that takes what nobody else is taking.
	forUpdate, skipLocked string
	// unindexed stands before a column that no index should be chosen for,
	// where the engine does not know by itself.
	unindexed string
	// objectOf is the aggregate function that makes a JSON object of names
	// and values.
	objectOf string
}

// limitTo bounds an answer by a parameter. SQLite prepares a statement anew
// when a plain parameter of LIMIT changes; behind a CAST it does not look.
const limitTo = "LIMIT CAST(? AS BIGINT)"

// numbered replaces each "?" outside of quotes by $1, $2, …
func numbered(query string) string {
	var b strings.Builder
	b.Grow(len(query) + 16)
	n, quoted := 0, false
	for i := range len(query) {
		switch c := query[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '?' && !quoted:
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// roundUp is the next power of two, so that lists of parameters come in few
// lengths and their statements can be kept prepared.
func roundUp(n int) int {
	if n <= 1 {
		return n
	}
	return 1 << bits.Len(uint(n-1))
}

// marks is a list of n parameters: "?, ?, ?".
func marks(n int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}
