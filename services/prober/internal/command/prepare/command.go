package prepare

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/env"
)

// Command is leeward db.
func Command() *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Prepare databases for the probers"}
	cmd.AddCommand(prepareCommand())
	return cmd
}

func prepareCommand() *cobra.Command {
	role, from, printOnly := "", "", false
	cmd := &cobra.Command{
		Use: "prepare REFERENCE-OR-URL", Short: "Make what probers need in a database: the table of heartbeats, and a role that may use nothing else", Args: cobra.ExactArgs(1),
		Long: "Connects as an administrator, with the URL or what env:NAME or file:PATH holds, and makes the table leeward_heartbeat and a role of Leeward's own, whose password is set.\n" +
			"Then it connects as the role, reads and writes. It can be run again. The URL is postgres://, mysql:// or mariadb://, redis:// or rediss://.\n" +
			"Prepare the primary: table and role reach its replicas by replication. A Redis has no table, and each of its replicas needs the role made.",
		Example: `  leeward db prepare env:ADMIN_URL --password-from file:/run/secrets/prober-password
  leeward db prepare env:ADMIN_URL --print`,
		RunE: func(cmd *cobra.Command, args []string) error {
			url, err := resolve(args[0])
			if err != nil {
				return err
			}
			o := Order{URL: url, Role: role}
			if printOnly {
				return o.Print(cmd.OutOrStdout())
			}
			if from == "" {
				return errors.New("--password-from is missing: env:NAME or file:PATH, which holds the password that the role will have; or --print, which needs none")
			}
			if o.Password, err = env.Resolve(from, os.Getenv); err != nil {
				return fmt.Errorf("--password-from: %w", err)
			}
			return hide(o.Run(cmd.Context(), cmd.OutOrStdout()), o.Password)
		},
	}
	cmd.Flags().StringVar(&role, "role", "leeward_prober", "the role the probers will be")
	cmd.Flags().StringVar(&from, "password-from", "", "where the role's password is: env:NAME or file:PATH")
	cmd.Flags().BoolVar(&printOnly, "print", false, "print the statements, without a password, and run nothing")
	return cmd
}

// resolve returns a URL that is given, or kept where a reference says.
func resolve(arg string) (string, error) {
	if scheme, _, found := strings.Cut(arg, "://"); found && scheme != "file" {
		return arg, nil
	}
	return env.Resolve(arg, os.Getenv)
}

// hide leaves a password out of an error, should a database quote what it could not read.
func hide(err error, password string) error {
	if err == nil || password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, secret))
}
