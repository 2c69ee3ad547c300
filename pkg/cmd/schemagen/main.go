// Command schemagen writes every generated page and schema of the repository whose root is its argument.
package main

import (
	"fmt"
	"os"

	"github.com/leeward-failover/leeward/pkg/schemagen"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := schemagen.Write(root); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}
