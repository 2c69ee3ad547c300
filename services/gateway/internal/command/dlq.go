package command

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/services/gateway/internal/api"
)

func dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dlq", Short: "See the messages that could not be read, put them back, or drop them",
		Long: "A message that a service could not read is kept for 30 days in the stream DLQ, with where it came from and why. Once its reader can read it, replay puts it back.",
	}
	cmd.AddCommand(lettersCommand(), letterCommand(), replayCommand(), dropCommand())
	return cmd
}

func lettersCommand() *cobra.Command {
	c := &client{}
	stream, user, limit := "", "", 0
	cmd := &cobra.Command{
		Use: "list", Short: "List the messages that could not be read, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"stream": strings.ToUpper(stream), "user": user} {
				if value != "" {
					query.Set(name, value)
				}
			}
			return c.letters(cmd.Context(), cmd.OutOrStdout(), query)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&stream, "stream", "", "only messages of this stream: EVENTS, SAMPLES, IMPORTS or EVALUATIONS")
	cmd.Flags().StringVar(&user, "user", "", "only what this bus user could not read, as recorder or prober-london")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many")
	return cmd
}

func (c *client) letters(ctx context.Context, w io.Writer, query url.Values) error {
	var letters []api.LetterSummary
	if _, err := c.call(ctx, http.MethodGet, "/v1/dlq?"+query.Encode(), nil, nil, &letters); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, letters)
	}
	if len(letters) == 0 {
		told := "there is no letter: every message could be read"
		if query.Has("stream") || query.Has("user") {
			told = "there is no such letter"
		}
		fmt.Fprintln(w, told)
		return nil
	}
	t := newTable(w, table.Row{"letter", "rejected", "by", "stream", "subject", "bytes", "replayed from", "reason"})
	for _, l := range letters {
		t.AppendRow(table.Row{l.Sequence, l.Rejected.UTC().Format(time.RFC3339), printable(l.User), printable(l.Stream), printable(l.Subject), l.Size, printable(l.Replayed), printable(l.Reason)})
	}
	t.Render()
	return nil
}

func letterCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "show LETTER", Short: "Show a message that could not be read, as far as it can be shown", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sequence, err := letterNumber(args[0])
			if err != nil {
				return err
			}
			return c.letter(cmd.Context(), cmd.OutOrStdout(), sequence)
		},
	}
	c.flags(cmd)
	return cmd
}

func (c *client) letter(ctx context.Context, w io.Writer, sequence uint64) error {
	var l api.Letter
	if _, err := c.call(ctx, http.MethodGet, letterPath(sequence), nil, nil, &l); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, l)
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-14s %s\n", name, printable(value))
		}
	}
	line("letter", strconv.FormatUint(l.Sequence, 10))
	line("rejected", l.Rejected.UTC().Format(time.RFC3339Nano)+" by "+l.User)
	line("reason", l.Reason)
	line("origin", l.Stream+" "+strconv.FormatUint(l.Origin, 10))
	line("subject", l.Subject)
	line("stored", l.Stored.UTC().Format(time.RFC3339Nano))
	line("replayed from", l.Replayed)
	line("bytes", strconv.Itoa(l.Size))
	line("decode error", l.Error)
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		line(name, l.Headers[name])
	}
	return message(w, l)
}

// message writes what is in a letter.
func message(w io.Writer, l api.Letter) error {
	fmt.Fprintln(w)
	if l.Batch != nil {
		if l.Batch.Samples > 0 {
			fmt.Fprintf(w, "%d samples, which can be read now\n", l.Batch.Samples)
		}
		for _, f := range l.Batch.Fields {
			fmt.Fprintf(w, "  %-16s %s\n", f.Name, printable(f.Value))
		}
	}
	if l.JSON != nil {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, l.JSON, "", "  "); err != nil {
			return err
		}
		for line := range strings.Lines(pretty.String()) {
			fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n")))
		}
	}
	if l.Hex != "" {
		data, err := hex.DecodeString(l.Hex)
		if err != nil {
			return fmt.Errorf("the API's excerpt: %w", err)
		}
		fmt.Fprint(w, hex.Dump(data))
		if len(data) < l.Size {
			fmt.Fprintf(w, "… and %d bytes more\n", l.Size-len(data))
		}
	}
	return nil
}

func replayCommand() *cobra.Command {
	c := &client{}
	reason := ""
	cmd := &cobra.Command{
		Use: "replay LETTER...", Short: "Put messages back where they were", Args: cobra.MinimumNArgs(1),
		Long: "Stores each message again under its own subject, for everyone who reads its stream, and drops the letter. The message is as old as it was: an event that is too old to\n" +
			"act on is only recorded. One that can not be read again becomes a new letter, whose list says which it was replayed from.",
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := json.Marshal(map[string]string{"actor": actor(), "reason": reason})
			if err != nil {
				return err
			}
			return c.eachLetter(cmd.OutOrStdout(), args, func(sequence uint64) (any, string, error) {
				var l api.LetterReplayed
				_, err := c.call(cmd.Context(), http.MethodPost, letterPath(sequence)+"/replay", http.Header{"Content-Type": {"application/json"}}, body, &l)
				told := fmt.Sprintf("letter %d is back in %s on %s", sequence, l.Stream, printable(l.Subject))
				if l.Note != "" {
					told += "; " + l.Note
				}
				return l, told, err
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the gateway's log")
	return cmd
}

func dropCommand() *cobra.Command {
	c := &client{}
	reason := ""
	cmd := &cobra.Command{
		Use: "drop LETTER...", Short: "Drop messages for good", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"actor": {actor()}, "reason": {reason}}
			return c.eachLetter(cmd.OutOrStdout(), args, func(sequence uint64) (any, string, error) {
				var l api.LetterSummary
				_, err := c.call(cmd.Context(), http.MethodDelete, letterPath(sequence)+"?"+query.Encode(), nil, nil, &l)
				return l, fmt.Sprintf("letter %d is dropped", sequence), err
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the gateway's log")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

// eachLetter does one thing to every letter named, in that order, and stops at the first that fails. All names are read first.
func (c *client) eachLetter(w io.Writer, names []string, do func(sequence uint64) (answer any, told string, err error)) error {
	var sequences []uint64
	for _, name := range names {
		sequence, err := letterNumber(name)
		if err != nil {
			return err
		}
		sequences = append(sequences, sequence)
	}
	answers := []any{}
	for _, sequence := range sequences {
		answer, told, err := do(sequence)
		if err != nil {
			return err
		}
		answers = append(answers, answer)
		if c.output != "json" {
			fmt.Fprintln(w, told)
		}
	}
	if c.output == "json" {
		return printJSON(w, answers)
	}
	return nil
}

func letterNumber(name string) (uint64, error) {
	sequence, err := strconv.ParseUint(name, 10, 64)
	if err != nil || sequence == 0 {
		return 0, fmt.Errorf("%q is no letter: letters are named by the numbers that leeward dlq list shows", name)
	}
	return sequence, nil
}

func letterPath(sequence uint64) string { return "/v1/dlq/" + strconv.FormatUint(sequence, 10) }
