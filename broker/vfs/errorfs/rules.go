package errorfs

import (
	"math/rand/v2"
	"path"
	"slices"
)

// When is a predicate over operations. Some keep count, so use each in one rule only.
type When func(Op) bool

// Fail makes operations that meet all of when answer err. Nothing of them reaches the disk; a failed Sync loses data.
func Fail(err error, when ...When) Rule {
	return func(op Op) Fault {
		if All(when...)(op) {
			return Fault{Err: err}
		}
		return Fault{}
	}
}

// FailShort makes writes that meet all of when write a part, its length chosen by seed, before they answer err.
func FailShort(err error, seed uint64, when ...When) Rule {
	dice := newDice(seed)
	return func(op Op) Fault {
		if op.Kind == Write && All(when...)(op) {
			return Fault{Err: err, Short: dice.IntN(op.Len + 1)}
		}
		return Fault{}
	}
}

// All is true when each of when is, asked in order up to the first that is not. So a Nth after a Kinds counts only those kinds.
func All(when ...When) When {
	return func(op Op) bool {
		for _, w := range when {
			if !w(op) {
				return false
			}
		}
		return true
	}
}

// Any is true when one of when is, asked in order up to the first that is.
func Any(when ...When) When {
	return func(op Op) bool {
		for _, w := range when {
			if w(op) {
				return true
			}
		}
		return false
	}
}

// Not is the opposite of when.
func Not(when When) When { return func(op Op) bool { return !when(op) } }

// Kinds is true for operations of these kinds.
func Kinds(kinds ...Kind) When { return func(op Op) bool { return slices.Contains(kinds, op.Kind) } }

// Changing is true for operations that change the disk.
func Changing() When { return func(op Op) bool { return op.Kind >= Create } }

// Base is true when the name's last element matches pattern (path.Match), as "*.log" does; of a rename, either name's.
// It panics on a malformed pattern.
func Base(pattern string) When {
	return func(op Op) bool { return matches(pattern, op.Name) || op.NewName != "" && matches(pattern, op.NewName) }
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, path.Base(name))
	if err != nil {
		panic("errorfs: " + err.Error() + ": " + pattern)
	}
	return ok
}

// Nth is true the nth time that it is asked, from 1.
func Nth(n int) When {
	asked := 0
	return func(Op) bool { asked++; return asked == n }
}

// From is true from the nth time on that it is asked, from 1.
func From(n int) When {
	asked := 0
	return func(Op) bool { asked++; return asked >= n }
}

// Random is true with a probability of pct in a hundred, by seed.
func Random(seed uint64, pct float64) When {
	dice := newDice(seed)
	return func(Op) bool { return dice.Float64()*100 < pct }
}

func newDice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
