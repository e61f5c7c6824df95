package profile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// pages of net/http/pprof. Those of the first list take a profile of so many seconds from now. The heap's profile would be the difference
// between two moments then, which is empty where nothing is kept: it is taken as it is at the end.
var (
	timed = map[Kind]string{CPU: "profile", Mutex: "mutex", Block: "block"}
	last  = map[Kind]string{Heap: "heap"}
)

// answerTimeout is what the server may take to write a profile after its time is over.
const answerTimeout = 30 * time.Second

// FromServer takes all kinds of profiles of a running broker, at adminAddr (host:port), for the time during, rounded up to whole
// seconds, and keeps them below dir as those of the benchmark name. It returns when all are kept or one failed.
func FromServer(ctx context.Context, adminAddr, dir, name string, during time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, during+answerTimeout)
	defer cancel()
	query := "?seconds=" + strconv.Itoa(max(1, int(math.Ceil(during.Seconds()))))
	if err := keepAll(ctx, adminAddr, timed, query, dir, name); err != nil {
		return err
	}
	return keepAll(ctx, adminAddr, last, "", dir, name)
}

// keepAll fetches the pages at once and keeps what they hold.
func keepAll(ctx context.Context, addr string, pages map[Kind]string, query, dir, name string) error {
	group, ctx := errgroup.WithContext(ctx)
	for kind, page := range pages {
		group.Go(func() error {
			data, err := fetch(ctx, "http://"+addr+"/debug/pprof/"+page+query)
			if err != nil {
				return fmt.Errorf("profile: %s of %s: %w", kind, addr, err)
			}
			return Keep(dir, name, kind, bytes.NewReader(data))
		})
	}
	return group.Wait()
}

func fetch(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // all was read, or the error says more
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(data))
	}
	return data, nil
}
