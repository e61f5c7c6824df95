package profile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// pages of net/http/pprof, each of which takes the profile of so many seconds from now.
var pages = map[Kind]string{CPU: "profile", Heap: "heap", Mutex: "mutex", Block: "block"}

// answerTimeout is what the server may take to write a profile after its time is over.
const answerTimeout = 30 * time.Second

// FromServer takes all kinds of profiles of a running broker, at adminAddr (host:port), for the time during, rounded up to whole
// seconds, and keeps them below dir as those of the benchmark name. It returns when all are kept or one failed.
func FromServer(ctx context.Context, adminAddr, dir, name string, during time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, during+answerTimeout)
	defer cancel()
	seconds := int(math.Ceil(during.Seconds()))
	group, ctx := errgroup.WithContext(ctx)
	for _, kind := range Kinds {
		group.Go(func() error {
			data, err := fetch(ctx, adminAddr, pages[kind], max(1, seconds))
			if err != nil {
				return fmt.Errorf("profile: %s of %s: %w", kind, adminAddr, err)
			}
			return Keep(dir, name, kind, bytes.NewReader(data))
		})
	}
	return group.Wait()
}

func fetch(ctx context.Context, addr, page string, seconds int) ([]byte, error) {
	from := url.URL{Scheme: "http", Host: addr, Path: "/debug/pprof/" + page, RawQuery: "seconds=" + strconv.Itoa(seconds)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
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
