package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// maxPresent is how many names a list of those who are present has at most.
const maxPresent = 1000

// presence is who has streams of a route open.
type presence struct {
	Viewers    int            `json:"viewers" doc:"Streams that are open, or being opened, on all nodes that have answered"`
	Nodes      []nodePresence `json:"nodes" doc:"How many of them each node has"`
	Silent     []string       `json:"silent" doc:"Nodes that have not answered: how many viewers they have is not known"`
	Subjects   []present      `json:"subjects" doc:"Those with the most streams, 1,000 at most"`
	Principals []present      `json:"principals" doc:"Those with the most streams, 1,000 at most: tokens, or addresses of viewers without one"`
}

type nodePresence struct {
	Node    string `json:"node"`
	Viewers int    `json:"viewers"`
}

// present is a subject or a principal.
type present struct {
	Name    string `json:"name"`
	Viewers int    `json:"viewers"`
}

// presenceQuestion is what nodes ask each other about presence.
type presenceQuestion struct {
	Tenant  string `json:"tenant"`
	Route   string `json:"route"`
	Subject string `json:"subject,omitempty"`
}

// herePresent is a node's answer.
type herePresent struct {
	Viewers    int       `json:"viewers"`
	Subjects   []present `json:"subjects"`
	Principals []present `json:"principals"`
}

type presenceOut struct{ Body presence }

// presenceTopic is what the question is asked on.
const presenceTopic = "viewers"

// routeViewers answers GET /v1/tenants/{tenant}/routes/{route}/viewers.
func (s *Server) routeViewers(ctx context.Context, in *struct {
	RoutePath
	Node    string `query:"node" doc:"Ask this node only"`
	Subject string `query:"subject" doc:"Count only those whose streams follow this subject, as it stands in the route with its placeholders filled in"`
}) (*presenceOut, error) {
	if _, err := s.findRoute(ctx, &in.RoutePath); err != nil {
		return nil, err
	}
	q := presenceQuestion{in.Tenant, in.Route, in.Subject}
	answers, silent, err := s.askPresence(ctx, q, in.Node)
	if err != nil {
		return nil, err
	}
	return &presenceOut{sumPresence(answers, silent)}, nil
}

// askPresence asks a node, or all if it is "".
func (s *Server) askPresence(ctx context.Context, q presenceQuestion, node string) (answers map[string]herePresent, silent []string, err error) {
	answers = map[string]herePresent{}
	if node == "" || node == s.config.Node {
		answers[s.config.Node] = s.presentHere(q)
	}
	if node == s.config.Node {
		return answers, nil, nil
	}
	said, silent, err := s.broker.Ask(ctx, presenceTopic, []byte(jsonText(q)))
	if err != nil {
		return nil, nil, err
	}
	for from, data := range said {
		var here herePresent
		if err := json.Unmarshal(data, &here); err != nil {
			return nil, nil, fmt.Errorf("presence on node %s: %w", from, err)
		}
		if node == "" || node == from {
			answers[from] = here
		}
	}
	if node != "" && len(answers) == 0 && !slices.Contains(silent, node) {
		return nil, nil, fail(http.StatusNotFound, "There is no node %q.", node)
	}
	if node != "" {
		silent = slices.DeleteFunc(silent, func(name string) bool { return name != node })
	}
	return answers, silent, nil
}

// tellPresence answers other nodes.
func (s *Server) tellPresence(_ context.Context, question []byte) []byte {
	var q presenceQuestion
	if json.Unmarshal(question, &q) != nil {
		return nil // of a newer node: this one stays silent
	}
	return []byte(jsonText(s.presentHere(q)))
}

// presentHere is who is present on this node.
func (s *Server) presentHere(q presenceQuestion) herePresent {
	r := s.sites.get(q.Tenant).route(q.Route)
	if r == nil {
		return herePresent{}
	}
	return r.limits.present(q.Subject)
}

// present is how many streams are open, and whose, of those that follow a subject unless that is "".
func (l *limiter) present(subject string) herePresent {
	l.mu.Lock()
	defer l.mu.Unlock()
	here := herePresent{Viewers: l.open}
	subjects := map[string]int{}
	if subject != "" {
		here.Viewers = 0
	}
	for _, a := range l.audiences {
		for _, name := range a.subjects {
			switch {
			case subject == "":
				subjects[name] += a.open
			case name == subject:
				subjects[name] += a.open
				here.Viewers += a.open
			}
		}
	}
	here.Subjects = mostPresent(subjects)
	if subject == "" {
		here.Principals = mostPresent(l.byWho)
	}
	return here
}

// mostPresent are those with the most viewers first.
func mostPresent(counts map[string]int) []present {
	all := make([]present, 0, len(counts))
	for name, n := range counts {
		all = append(all, present{name, n})
	}
	slices.SortFunc(all, func(a, b present) int {
		return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), maxPresent)]
}

// sumPresence adds up what nodes have answered.
func sumPresence(answers map[string]herePresent, silent []string) presence {
	all := presence{Nodes: []nodePresence{}, Silent: append([]string{}, silent...)}
	subjects, principals := map[string]int{}, map[string]int{}
	for _, node := range sortedKeys(answers) {
		here := answers[node]
		all.Viewers += here.Viewers
		all.Nodes = append(all.Nodes, nodePresence{node, here.Viewers})
		for _, p := range here.Subjects {
			subjects[p.Name] += p.Viewers
		}
		for _, p := range here.Principals {
			principals[p.Name] += p.Viewers
		}
	}
	all.Subjects, all.Principals = mostPresent(subjects), mostPresent(principals)
	return all
}
