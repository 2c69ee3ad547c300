package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/test/world"
)

// stateFlag adds --state to a command and returns where its value will be found.
func stateFlag(cmd *cobra.Command) func() (world.State, error) {
	folder := cmd.Flags().String("state", "", "folder that keeps the world's data (default: .state/world in the repository)")
	return func() (world.State, error) {
		if *folder != "" {
			path, err := filepath.Abs(*folder)
			return world.State(path), err
		}
		root, err := repository()
		return world.State(filepath.Join(root, ".state", "world")), err
	}
}

// upState is the state folder of the world that is up.
func upState() (world.State, error) {
	record, up := world.Up()
	if !up {
		return "", errors.New("no world is up (make up)")
	}
	return record.State, nil
}

// repository is the folder that holds go.work, here or above.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("run this in the repository, or give --state")
		}
		folder = filepath.Dir(folder)
	}
}
