package importer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// jtlColumns are the columns that a sample is made of. Those of phases are missing in files of old versions.
var jtlColumns = []string{"timeStamp", "elapsed", "responseCode", "success"}

// JMeter reads a results file in CSV with its line of names (`jmeter -n -l FILE`, saveservice.output_format=csv, which is the default).
// Region and variant may be columns, which JMeter writes with -Jsample_variables=region,variant.
func JMeter(r io.Reader, t Target, emit func(schemas.Sample) error) error {
	lines := csv.NewReader(r)
	lines.ReuseRecord = true
	first, err := lines.Read()
	if err != nil || bytes.HasPrefix([]byte(first[0]), []byte("<")) {
		return fmt.Errorf("this is not a JMeter results file in CSV (jmeter -n -t PLAN -l FILE): %w", errors.Join(err, lineOf(first)))
	}
	names := slices.Clone(first)
	for i := range names {
		names[i] = strings.Trim(names[i], `"`)
	}
	for _, name := range jtlColumns {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the column %s is missing in the first line; have JMeter write names and times: -Jjmeter.save.saveservice.print_field_names=true -Jjmeter.save.saveservice.default_delimiter=, "+
				"-Jjmeter.save.saveservice.timestamp_format=ms", name)
		}
	}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := lines.FieldPos(0)
		res, err := jtl(names, fields)
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		s, err := res.sample(t)
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if err := emit(s); err != nil {
			return err
		}
	}
}

func lineOf(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	return fmt.Errorf("its first line begins with %.40q", fields[0])
}

// jtl reads one line. JMeter's Connect includes TLS and is a part of Latency, which ends with the first byte of the answer.
func jtl(names, fields []string) (result, error) {
	get := func(name string) string {
		if i := slices.Index(names, name); i >= 0 {
			return fields[i]
		}
		return ""
	}
	var problems []error
	ms := func(name string) time.Duration {
		if get(name) == "" {
			return 0
		}
		d, err := millis(get(name))
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		return d
	}
	began, err := strconv.ParseInt(get("timeStamp"), 10, 64)
	if err != nil || began <= 0 {
		problems = append(problems, fmt.Errorf("timeStamp: %q is not a number of milliseconds since 1970 (-Jjmeter.save.saveservice.timestamp_format=ms)", get("timeStamp")))
	}
	status := statusOf(get("responseCode"))
	r := result{
		began: time.UnixMilli(began), total: ms("elapsed"), connect: ms("Connect"), status: status, ok: get("success") == "true",
		timedOut: strings.Contains(get("responseCode"), "SocketTimeoutException") || strings.Contains(get("responseCode"), "ConnectTimeoutException"),
		region:   get("region"), variant: get("variant"),
	}
	if latency := ms("Latency"); latency > 0 {
		r.firstByte, r.transferring = latency-r.connect, r.total-latency
	}
	return r, errors.Join(problems...)
}
