package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func chart() Chart {
	return Chart{
		Title: "Produce <throughput>", Unit: "MB/s", Categories: []string{"100 B", "1 KiB"},
		Series: []Series{
			{"highwater", []*Value{{144, 101, 154}, {450, 277, 670}}},
			{"kafka", []*Value{nil, {249, math.Inf(-1), math.Inf(1)}}},
		},
	}
}

// wellFormed reads all of an XML document.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestBarsStartAtZeroAndCarryTheirValues(t *testing.T) {
	svg, err := chart().SVG(true)
	require.NoError(t, err)
	wellFormed(t, svg)
	require.Contains(t, svg, "<style>")
	require.Contains(t, svg, "<title>highwater, 1 KiB: 450 MB/s (277 to 670)</title>")
	require.Contains(t, svg, "<title>kafka, 1 KiB: 249 MB/s</title>", "an infinite interval is none")
	require.Equal(t, 3, strings.Count(svg, "<g>"))
	require.Contains(t, svg, "Produce &lt;throughput&gt;")
	require.NotContains(t, svg, "circle")
	axis, err := chart().axis()
	require.NoError(t, err)
	require.Equal(t, top+plotHeight, axis.y(0))
	require.InDelta(t, plotHeight/2, axis.y(0)-axis.y(axis.high/2), 1e-9)
	inside, err := chart().SVG(false)
	require.NoError(t, err)
	require.NotContains(t, inside, "<style>")
}

func TestLinesJoinPoints(t *testing.T) {
	c := chart()
	c.Lines = true
	svg, err := c.SVG(true)
	require.NoError(t, err)
	wellFormed(t, svg)
	require.Equal(t, 1, strings.Count(svg, "<polyline"), "a single point has no line")
	require.Equal(t, 3, strings.Count(svg, "<circle"))
}

func TestLogarithmicAxisStepsByDecades(t *testing.T) {
	c := chart()
	c.Log = true
	axis, err := c.axis()
	require.NoError(t, err)
	require.Equal(t, []float64{100, 1000}, axis.ticks)
	require.InDelta(t, plotHeight/2, axis.y(100)-axis.y(math.Sqrt(100*1000)), 1e-9)
	c.Series[0].Values[0] = &Value{Center: 0}
	_, err = c.SVG(true)
	require.EqualError(t, err, "plot: Produce <throughput>: 0 on a logarithmic axis")
}

func TestChartsWithoutValuesAreRefused(t *testing.T) {
	_, err := Chart{Title: "empty", Categories: []string{"a"}, Series: []Series{{"x", []*Value{nil}}}}.SVG(true)
	require.EqualError(t, err, "plot: empty: no value above zero")
	_, err = Chart{Title: "uneven", Categories: []string{"a", "b"}, Series: []Series{{"x", []*Value{{1, 1, 1}}}}}.SVG(true)
	require.EqualError(t, err, "plot: uneven: series x has 1 values for 2 categories")
}

// Whatever the values, nothing lies outside the plot, and the axis has a readable number of ticks.
func TestEverythingLiesInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1e-6, 1e9), 1, 5).Draw(t, "values")
		c := Chart{Title: "t", Log: rapid.Bool().Draw(t, "log")}
		s := Series{Name: "x"}
		for _, v := range values {
			c.Categories = append(c.Categories, "c")
			s.Values = append(s.Values, &Value{v, v / 2, v * 2})
		}
		c.Series = []Series{s}
		a, err := c.axis()
		require.NoError(t, err)
		for _, v := range s.Values {
			for _, x := range []float64{v.Center, v.Lo, v.Hi} {
				require.GreaterOrEqual(t, a.y(x), top-1e-6)
				require.LessOrEqual(t, a.y(x), top+plotHeight+1e-6)
			}
		}
		require.GreaterOrEqual(t, len(a.ticks), 2)
		if !c.Log {
			require.LessOrEqual(t, len(a.ticks), 7)
		}
	})
}
