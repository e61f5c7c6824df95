package lab

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	fresh := func() *T { return &T{TB: t} }
	state, message := judge("1.2", fresh(), NotStarted("1.2"))
	require.Equal(t, NoStart, state)
	require.Contains(t, message, "1.2")
	state, message = judge("1.2", fresh(), NotStarted("1.1"))
	require.Equal(t, NotRun, state)
	require.Equal(t, "needs 1.1", message)
	state, message = judge("1.2", fresh(), "boom")
	require.Equal(t, Fail, state)
	require.Contains(t, message, "boom")
	state, _ = judge("1.2", &T{TB: t, unstarted: "1.2"}, nil)
	require.Equal(t, NoStart, state)
	state, _ = judge("1.2", fresh(), nil)
	require.Equal(t, Pass, state)
}

func TestSeedsDiffer(t *testing.T) {
	require.Equal(t, seedFor(1, "a"), seedFor(1, "a"))
	require.NotEqual(t, seedFor(1, "a"), seedFor(2, "a"))
	require.NotEqual(t, seedFor(1, "a"), seedFor(1, "b"))
	require.NotZero(t, seedFor(0, ""))
}

func TestCheckDrawsTheSameInputsFromTheSameSeed(t *testing.T) {
	draw := func(seed uint64) (drawn []int) {
		(&T{TB: t, seed: seed}).Check(func(rt *rapid.T) { drawn = append(drawn, rapid.Int().Draw(rt, "n")) })
		return drawn
	}
	require.Equal(t, draw(7), draw(7))
	require.NotEqual(t, draw(7), draw(8))
}

func TestVerdictsFailClosed(t *testing.T) {
	const one = `{"nonce":"n","exercise":"1.1","test":"a","state":"PASS"}` + "\n"
	const last = `{"nonce":"n","last":true,"count":1}` + "\n"
	got, err := ReadVerdicts(strings.NewReader(one+last), "n")
	require.NoError(t, err)
	require.Equal(t, []Verdict{{Nonce: "n", Exercise: "1.1", Test: "a", State: Pass}}, got)

	for name, stream := range map[string]string{
		"no last record":      one,
		"nothing":             "",
		"count too high":      one + `{"nonce":"n","last":true,"count":2}`,
		"count too low":       one + `{"nonce":"n","last":true,"count":0}`,
		"wrong nonce":         strings.ReplaceAll(one+last, `"n"`, `"x"`),
		"one forged":          `{"exercise":"1.1","test":"a","state":"PASS"}` + "\n" + last,
		"twice the same test": one + one + `{"nonce":"n","last":true,"count":2}`,
		"not JSON":            "--- PASS: a\n" + one + last,
	} {
		_, err := ReadVerdicts(strings.NewReader(stream), "n")
		require.Error(t, err, name)
	}
}

func TestPicture(t *testing.T) {
	got := Picture([]byte{0, 1, 2, 3, 4, 5}, []Field{{"length", 4}, {"magic", 1}}, 4)
	require.Equal(t, ""+
		"     0  00 01 02 03                                      length\n"+
		"     4  04                                               magic\n"+
		"        ^^ here\n"+
		"     5  05                                               rest\n", got)
	require.Contains(t, Picture([]byte{1}, []Field{{"length", 4}, {"crc", 4}}, -1), "length (cut short)")
	require.Contains(t, Picture([]byte{1}, []Field{{"length", 4}, {"crc", 4}}, -1), "crc (missing)")
}
