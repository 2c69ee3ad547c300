// Command engine is the embedded ClickHouse as a child process of a test. It ends when its standard input does, so that
// it never outlives a test that was killed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/chembed"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := chembed.Serve(ctx, chembed.Options{
		Library: os.Getenv("LEEWARD_LIBCHDB"),
		Dir:     os.Args[1],
		Addr:    os.Args[2],
		Token:   os.Args[3],
		Log:     zerolog.New(os.Stderr),
		Ready:   func(addr string) { fmt.Println(addr) },
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
