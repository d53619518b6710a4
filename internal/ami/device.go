package ami

import (
	"strings"

	"origami"
)

// CheckDevices checks the shape of the entries of a block device mapping: each
// has a good device name that no other has, and says exactly one thing.
func CheckDevices(entries []origami.BlockDevice) error {
	seen := make(map[string]string, len(entries))
	for _, d := range entries {
		if d.DeviceName == "" {
			return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter deviceName")
		}
		if !validDevice(d.DeviceName) {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.",
				d.DeviceName, d.DeviceName)
		}
		short := strings.TrimPrefix(d.DeviceName, "/dev/")
		if _, ok := seen[short]; ok {
			return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The device '%s' is used in more than one block-device mapping", short)
		}
		seen[short] = d.DeviceName
		if err := checkEntry(d); err != nil {
			return err
		}
	}
	return nil
}

func checkEntry(d origami.BlockDevice) error {
	n := 0
	if d.NoDevice {
		n++
	}
	if d.EBS != nil {
		n++
	}
	if d.VirtualName != "" {
		n++
		if !validVirtualName(d.VirtualName) {
			return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The virtual name '%s' is not valid", d.VirtualName)
		}
	}
	if n != 1 {
		return origami.Errorf(origami.CodeInvalidBlockDeviceMapping,
			"The block device mapping of %s must contain exactly one of ebs, virtualName and noDevice", d.DeviceName)
	}
	return nil
}

// validVirtualName reports whether s is ephemeral0 to ephemeral23.
func validVirtualName(s string) bool {
	n, ok := strings.CutPrefix(s, "ephemeral")
	if !ok || n == "" || len(n) > 2 || len(n) == 2 && n[0] == '0' {
		return false
	}
	v := 0
	for _, c := range n {
		if c < '0' || c > '9' {
			return false
		}
		v = 10*v + int(c-'0')
	}
	return v <= 23
}

// validDevice reports whether s is a device name that EC2 knows: sda to sdz,
// xvda to xvdz and xvdaa to xvdzz, hda to hdz, each with or without a
// partition number from 1 to 15 and with or without /dev/.
func validDevice(s string) bool {
	s = strings.TrimPrefix(s, "/dev/")
	letters := 1
	switch {
	case strings.HasPrefix(s, "sd"), strings.HasPrefix(s, "hd"):
		s = s[2:]
	case strings.HasPrefix(s, "xvd"):
		s, letters = s[3:], 2
	default:
		return false
	}
	n := 0
	for n < len(s) && n < letters && s[n] >= 'a' && s[n] <= 'z' {
		n++
	}
	if n == 0 {
		return false
	}
	switch s = s[n:]; len(s) {
	case 0:
		return true
	case 1:
		return s[0] >= '1' && s[0] <= '9'
	case 2:
		return s[0] == '1' && s[1] >= '0' && s[1] <= '5'
	}
	return false
}
