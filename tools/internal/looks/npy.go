package looks

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// The format of numpy's files, version 1.0:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

// npyHeader begins a .npy file of float32 values, which follow with the last dimension changing fastest.
func npyHeader(w io.Writer, shape ...int) error {
	const magic, align = "\x93NUMPY\x01\x00", 64
	sizes := strings.Trim(fmt.Sprint(shape), "[]")
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }", strings.ReplaceAll(sizes, " ", ", "))
	length := len(magic) + 2 + len(header) + 1
	header += strings.Repeat(" ", (align-length%align)%align) + "\n"
	data := binary.LittleEndian.AppendUint16([]byte(magic), uint16(len(header)))
	_, err := w.Write(append(data, header...))
	return err
}

// npyValues adds values.
func npyValues(w io.Writer, values []float32) error {
	return binary.Write(w, binary.LittleEndian, values)
}
