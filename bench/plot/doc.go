// Package plot draws the few charts of a performance report as SVG: values of several series over a few categories, with intervals.
//
// It owns the drawing and its colours. A chart stands alone in a file or inside a page, follows the reader's light or dark setting,
// carries its values as titles of its marks, and needs no script. It never computes a statistic.
package plot
