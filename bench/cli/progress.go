package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"highwater.dev/bench/load"
)

// progressBar draws a run's progress on w while it is a terminal, and nothing elsewhere.
func progressBar(w io.Writer) (show func(load.Progress), finish func()) {
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	const steps = 1000
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(file), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	show = func(p load.Progress) {
		text := fmt.Sprintf("%d records acknowledged", p.Records)
		if p.Received > 0 {
			text += fmt.Sprintf(", %d received", p.Received)
		}
		if p.Failed > 0 {
			text += fmt.Sprintf(", %d FAILED", p.Failed)
		}
		bar.Describe(text)
		_ = bar.Set(int(p.Done * steps)) // drawing on a terminal that went away is nobody's loss
	}
	return show, func() { _ = bar.Finish() }
}
