package source

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how often one connection is sent elsewhere.
const maxRedirects = 10

// travelling are the headers that go along to another host. All others may hold a credential,
// whatever their name.
var travelling = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Cache-Control": true,
	"Content-Type": true, "Last-Event-Id": true, "User-Agent": true,
}

// checkRedirect is an http.Client's CheckRedirect. A request that has left its host keeps none of
// its credentials, also not when it is sent back.
func (c *Client) checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	if err := c.checkHost(next.URL); err != nil {
		return err
	}
	next.Header.Del("Referer") // it would tell the query, where some put keys
	if !departed(append(via, next)) {
		return nil
	}
	if next.Body != nil && next.Body != http.NoBody {
		return denied("redirect of the request's body to another host")
	}
	for name := range next.Header {
		if !travelling[name] {
			next.Header.Del(name)
		}
	}
	return nil
}

// departed tells whether one of the requests goes to another host than the first.
func departed(requests []*http.Request) bool {
	for _, r := range requests[1:] {
		if !sameHost(requests[0].URL, r.URL) {
			return true
		}
	}
	return false
}

// sameHost tells whether to is as good as from for credentials: the same host and port by the same
// scheme, or what begins as http at its https.
func sameHost(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	if from.Scheme == to.Scheme {
		return port(from) == port(to)
	}
	return from.Scheme == "http" && port(from) == "80" && port(to) == "443"
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
