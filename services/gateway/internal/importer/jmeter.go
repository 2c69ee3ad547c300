package importer

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

var jmeterShapes = []shape{
	{"jmeter", "the table of `jmeter -n -t PLAN -l FILE`", func(h head) bool { _, _, ok := jtlHeader(h.first); return ok }, jmeterTable},
	{"jmeter", "JMeter's XML (jmeter.save.saveservice.output_format=xml)", func(h head) bool {
		return strings.HasPrefix(h.first, "<") && strings.Contains(string(h.text), "<testResults")
	}, jmeterXML},
}

// jtlColumns are the columns that a sample is made of. Those of phases are missing in files of old versions.
var jtlColumns = []string{"timeStamp", "elapsed", "responseCode", "success"}

// jtlUnnamed are the columns that JMeter 5 writes unless it is told otherwise; a file without a line of names is read as these.
var jtlUnnamed = []string{"timeStamp", "elapsed", "label", "responseCode", "responseMessage", "threadName", "dataType", "success", "failureMessage", "bytes",
	"sentBytes", "grpThreads", "allThreads", "URL", "Latency", "IdleTime", "Connect"}

// jtlHeader finds the delimiter in the first line, and whether it names the columns.
func jtlHeader(first string) (comma rune, named, ok bool) {
	for _, comma := range ",;\t|" {
		fields := strings.Split(first, string(comma))
		for i := range fields {
			fields[i] = strings.Trim(fields[i], `"`)
		}
		if slices.Contains(fields, "timeStamp") || slices.Contains(fields, "elapsed") {
			return comma, true, true
		}
		if len(fields) >= 8 && len(fields[0]) == 13 && (fields[7] == "true" || fields[7] == "false") {
			return comma, false, true
		}
	}
	return 0, false, false
}

// jmeterTable reads CSV with any delimiter. Region and variant may be columns, which JMeter writes with -Jsample_variables=region,variant.
func jmeterTable(in *bufio.Reader, out *rows) error {
	first := headOf(in).first
	comma, named, _ := jtlHeader(first)
	var names []string
	if !named {
		if n := strings.Count(first, string(comma)) + 1; n != len(jtlUnnamed) {
			return fmt.Errorf("line 1: the columns have no names, and these %d are not the %d that JMeter writes unless it is told otherwise: put a line of names before them, "+
				"or run it with -Jjmeter.save.saveservice.print_field_names=true", n, len(jtlUnnamed))
		}
		names = jtlUnnamed
	}
	for _, name := range jtlColumns {
		if named && !strings.Contains(first, name) {
			return fmt.Errorf("line 1: the column %s is missing; have JMeter write it: -Jjmeter.save.saveservice.%s", name, map[string]string{
				"timeStamp": "timestamp_format=ms", "elapsed": "time=true", "responseCode": "response_code=true", "success": "successful=true"}[name])
		}
	}
	return table(in, comma, names, out, func(line int, c *cells) error {
		r, err := jtl(c)
		return out.row(line, r, err)
	})
}

// jtlAttributes are the names of columns by those of attributes, the short ones and those of JMeter 2.0.
var jtlAttributes = map[string]string{"ts": "timeStamp", "t": "elapsed", "time": "elapsed", "rc": "responseCode", "rs": "responseCode", "rm": "responseMessage", "s": "success", "lt": "Latency", "ct": "Connect"}

// jmeterXML reads the outermost samples, as JMeter's own CSV has them: what lies inside one are its redirects and pictures. Only a transaction is opened.
func jmeterXML(in *bufio.Reader, out *rows) error {
	from := newSource(in)
	elements := xml.NewDecoder(from)
	elements.Strict = false
	for {
		from.next(elements.InputOffset())
		token, err := elements.Token()
		line, _ := elements.InputPos()
		var syntax *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
			return out.row(line, result{}, errCutOff)
		case err != nil:
			return fmt.Errorf("line %d is not XML: %w", line, err)
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name.Local != "httpSample" && e.Name.Local != "sample" && e.Name.Local != "sampleResult" {
			continue
		}
		row := map[string]string{}
		for _, a := range e.Attr {
			name := a.Name.Local
			if column, ok := jtlAttributes[name]; ok {
				name = column
			}
			row[name] = a.Value
		}
		r, err := jtl(&cells{get: func(column string) string { return row[column] }})
		if errors.Is(err, errTransaction) {
			continue
		}
		if err := out.row(line, r, err); err != nil {
			return err
		}
		if err := elements.Skip(); err != nil {
			return out.row(line, result{}, errCutOff)
		}
	}
}

var errTransaction = errors.New("a transaction sums up the requests in it")

// jtl reads one sample. JMeter's Connect includes TLS and is a part of Latency, which ends with the first byte of the answer.
func jtl(c *cells) (result, error) {
	if strings.HasPrefix(c.get("responseMessage"), "Number of samples in transaction") {
		return result{}, errTransaction
	}
	began, err := strconv.ParseInt(c.get("timeStamp"), 10, 64)
	if err != nil {
		c.problems = append(c.problems, fmt.Errorf("timeStamp: %q is not a number of milliseconds since 1970, and a local time does not say when it was (-Jjmeter.save.saveservice.timestamp_format=ms)", c.get("timeStamp")))
	}
	code := c.get("responseCode")
	r := result{
		began: time.UnixMilli(began), total: c.duration("elapsed", time.Millisecond), connect: c.duration("Connect", time.Millisecond), status: statusOf(code),
		region: c.get("region"), variant: c.get("variant"),
	}
	if c.get("elapsed") == "" {
		c.problems = append(c.problems, errors.New("elapsed is empty"))
	}
	r.outcome = outcome(strings.EqualFold(c.get("success"), "true"), r.status, code+" "+c.get("responseMessage"))
	if latency := c.duration("Latency", time.Millisecond); latency > 0 {
		r.firstByte, r.transferring = max(0, latency-r.connect), max(0, r.total-latency)
	}
	return r, errors.Join(c.problems...)
}
