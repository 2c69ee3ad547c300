package prepare

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

type postgres struct{ config *pgx.ConnConfig }

func newPostgres(url string) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, database.ErrUnreadable
	}
	return postgres{config}, nil
}

func (p postgres) statements(role string) []string {
	r := pgx.Identifier{role}.Sanitize()
	return []string{
		"CREATE TABLE IF NOT EXISTS public.leeward_heartbeat (vantage text PRIMARY KEY, at timestamptz NOT NULL, token bigint NOT NULL);",
		"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '" + role + "') THEN CREATE ROLE " + r + "; END IF; END $$;",
		"ALTER ROLE " + r + " LOGIN PASSWORD '" + secret + "';",
		// No probe waits longer; what a client has left ends soon.
		"ALTER ROLE " + r + " SET statement_timeout = '1min';",
		"GRANT CONNECT ON DATABASE " + pgx.Identifier{p.config.Database}.Sanitize() + " TO " + r + ";",
		"GRANT USAGE ON SCHEMA public TO " + r + ";",
		"GRANT SELECT, INSERT, UPDATE ON public.leeward_heartbeat TO " + r + ";",
	}
}

func (postgres) fill(statement, password string) string {
	return strings.ReplaceAll(statement, secret, verifier(password))
}

// verifier is that of RFC 5802 that the server would make of the password itself, so that its log and its statistics never have the password.
func verifier(password string) string {
	const iterations = 4096
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic("the lengths are SCRAM's: " + err.Error())
	}
	keyed := func(name string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(name))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, text(salt), text(stored[:]), text(keyed("Server Key")))
}

func (p postgres) run(ctx context.Context, statements []string) (string, error) {
	return "", p.do(ctx, statements)
}

func (p postgres) do(ctx context.Context, statements []string) error {
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// One text is one transaction.
	_, err = conn.PgConn().Exec(ctx, strings.Join(statements, "\n")).ReadAll()
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer) && answer.Code == "25006":
		return fmt.Errorf("%w: prepare the primary, and its replicas have it too", err)
	case errors.As(err, &answer) && answer.Code == "42501":
		return fmt.Errorf("%w: connect as an owner of the database who may create roles, or have one run what --print prints", err)
	}
	return err
}

func (p postgres) forget(ctx context.Context, vantage string) error {
	return p.do(ctx, []string{"DELETE FROM public.leeward_heartbeat WHERE vantage = '" + vantage + "';"})
}
