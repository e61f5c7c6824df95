package table

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *Table {
	t := &Table{Header: []string{"benchmark", "highwater / kafka"}}
	t.Add("Produce/size=100", "1.81 [1.2, 2.1]")
	t.Add("a|b", "~")
	return t
}

func TestTextKeepsTheHeaderAsItIs(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().Write(&out, Text))
	require.Contains(t, out.String(), "highwater / kafka")
	require.Contains(t, out.String(), "1.81 [1.2, 2.1]")
}

func TestCSV(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().Write(&out, CSV))
	require.Equal(t, "benchmark,highwater / kafka\nProduce/size=100,\"1.81 [1.2, 2.1]\"\na|b,~\n", out.String())
}

func TestMarkdownEscapesBars(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().Write(&out, Markdown))
	require.Regexp(t, `(?m)^\| +benchmark +\| +highwater / kafka +\|$`, out.String())
	require.Contains(t, out.String(), `a\|b`)
}

func TestUnknownFormatIsRefused(t *testing.T) {
	require.EqualError(t, sample().Write(&bytes.Buffer{}, "html"), `table: format "html": it is table, csv or markdown`)
}
