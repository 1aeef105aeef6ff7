package proof

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Post posts checkpoints, as text, to a URL of the operator's.
func Post(url string) Publisher {
	client := &http.Client{Timeout: 30 * time.Second}
	return func(ctx context.Context, c Checkpoint) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(c.Note))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		if resp.StatusCode >= 300 {
			return fmt.Errorf("the checkpoint's receiver answers %s", resp.Status)
		}
		return nil
	}
}
