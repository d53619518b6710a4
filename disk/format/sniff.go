package format

import (
	"bytes"
	"encoding/binary"
	"regexp"
)

type sniffer = func(head, tail []byte) bool

// prefix recognises files that begin with magic.
func prefix(magic string) sniffer {
	return func(head, _ []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isVMDK recognises hosted sparse extents ("KDMV"), ESX sparse extents
// ("COWD"), SE sparse extents, and descriptor files, which are text.
func isVMDK(head, _ []byte) bool {
	const seSparse = 0xcafebabe
	return bytes.HasPrefix(head, []byte("KDMV")) || bytes.HasPrefix(head, []byte("COWD")) ||
		len(head) >= 8 && binary.LittleEndian.Uint64(head) == seSparse ||
		vmdkDescriptor.Match(head)
}

// vmdkDescriptor is the comment that descriptor files begin with. Its case,
// and blanks before it, differ from tool to tool.
var vmdkDescriptor = regexp.MustCompile(`(?i)\A\s*#\s*disk descriptorfile`)

// isVHD recognises the footer, of which all but fixed disks have a copy at the
// start. Old ones lack its last byte.
func isVHD(head, tail []byte) bool {
	cookie := []byte("conectix")
	return bytes.HasPrefix(head, cookie) || bytes.HasPrefix(tail, cookie) ||
		len(tail) > 1 && bytes.HasPrefix(tail[1:], cookie)
}

// isTar recognises the archives that are called ova when they hold a machine.
func isTar(head, _ []byte) bool {
	return len(head) >= 512 && bytes.HasPrefix(head[257:], []byte("ustar"))
}

// isVDI recognises VirtualBox's format by the signature after the text.
func isVDI(head, _ []byte) bool {
	return len(head) >= 0x44 && binary.LittleEndian.Uint32(head[0x40:]) == 0xbeda107f
}

func isParallels(head, _ []byte) bool {
	return bytes.HasPrefix(head, []byte("WithoutFreeSpace")) || bytes.HasPrefix(head, []byte("WithouFreSpacExt"))
}

// isBzip2 looks at more than three letters.
func isBzip2(head, _ []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && string(head[4:10]) == "1AY&SY"
}

// isOVF recognises the description without the disks.
func isOVF(head, _ []byte) bool {
	return ovfEnvelope.Match(head)
}

var ovfEnvelope = regexp.MustCompile(`\A\x{feff}?\s*<(\?xml[^>]*>(\s|<!--(?s:.*?)-->)*<)?(\w+:)?Envelope[\s>]`)
