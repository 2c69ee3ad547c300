package chembed

import (
	"encoding/binary"
	"strings"
)

// hello answers the driver's greeting. It says revision 0, so that the driver takes every later block as the plain Native
// format, which is what the engine writes; this one block it still reads in the newest revision it knows, with block
// information in front and a serialization byte per column.
func hello(rep *reply, c *conn) error {
	res := c.query(statement{text: "SELECT displayName(), version(), timezone()", format: "TabSeparatedRaw"})
	defer res.close()
	if err := res.err(); err != nil {
		return err
	}
	facts := append(strings.Split(strings.TrimSpace(string(res.bytes())), "\t"), "", "", "")
	block := []byte{
		1, 0, // field 1, overflows: no
		2, 0xff, 0xff, 0xff, 0xff, // field 2, bucket number: none
		0,    // no more fields
		4, 1, // columns, rows
	}
	column := func(name, kind string, value []byte) {
		block = appendString(appendString(block, name), kind)
		block = append(block, 0) // no custom serialization
		block = append(block, value...)
	}
	column("displayName()", "String", appendString(nil, facts[0]))
	column("version()", "String", appendString(nil, facts[1]))
	column("revision()", "UInt32", []byte{0, 0, 0, 0})
	column("timezone()", "String", appendString(nil, facts[2]))
	return rep.whole(block)
}

func appendString(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}
