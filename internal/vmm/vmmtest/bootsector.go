package vmmtest

import "fmt"

// BootDiskSize is the length of the disks of [BootDisk], in bytes. The BIOS
// does not boot from a disk of less than one cylinder.
const BootDiskSize = 1 << 20

// Ports of the PC that the guests use.
const (
	portCOM1       = 0x3f8
	portCOM1Status = 0x3fd
	portPM1Status  = 0x600 // ACPI PM1a block, where SeaBIOS puts it
	portPM1Enable  = 0x602
	portPM1Control = 0x604
)

// BootDisk returns a disk that boots into guest on any PC: a boot sector, in
// 16-bit code, followed by zeros.
func BootDisk(guest Guest) []byte {
	var p program
	p.emit(0xfa)             // cli
	p.emit(0x31, 0xc0)       // xor ax, ax
	p.emit(0x8e, 0xd8)       // mov ds, ax
	p.emit(0x8e, 0xd0)       // mov ss, ax
	p.emit(0xbc, 0x00, 0x7c) // mov sp, 0x7c00
	// A press of the button that comes before this is lost, so it comes before
	// anything that a test can see.
	p.outw(portPM1Enable, 1<<8) // power button
	switch guest {
	case Obedient:
		p.print(Ready)
		p.obey()
	case Deaf:
		p.print(Ready)
		p.idle()
	case PowersOff:
		p.print(Ready)
		p.powerOff()
		p.idle()
	case Reboots:
		p.print(Ready)
		p.rebootOnce()
		p.obey()
	case Floods:
		p.print(Ready)
		p.count()
	default:
		panic(fmt.Sprintf("vmmtest: unknown guest %q", guest))
	}
	const signature = 510
	if len(p) > signature {
		panic(fmt.Sprintf("vmmtest: boot sector of %d bytes", len(p)))
	}
	disk := make([]byte, BootDiskSize)
	copy(disk, p)
	disk[signature], disk[signature+1] = 0x55, 0xaa
	return disk
}

// program is machine code under construction.
type program []byte

func (p *program) emit(code ...byte) { *p = append(*p, code...) }

// jump emits a short jump, conditional or not, back to a position.
func (p *program) jump(opcode byte, to int) {
	rel := to - (len(*p) + 2)
	if rel < -128 || rel >= 0 {
		panic("vmmtest: jump out of range")
	}
	p.emit(opcode, byte(rel))
}

// movDX emits mov dx, port.
func (p *program) movDX(port uint16) { p.emit(0xba, byte(port), byte(port>>8)) }

// outw emits the output of a word to a port.
func (p *program) outw(port, value uint16) {
	p.movDX(port)
	p.emit(0xb8, byte(value), byte(value>>8)) // mov ax, value
	p.emit(0xef)                              // out dx, ax
}

// awaitCOM1 waits until the serial port takes a byte, and leaves it in dx.
func (p *program) awaitCOM1() {
	p.movDX(portCOM1Status)
	wait := len(*p)
	p.emit(0xec)                // in al, dx
	p.emit(0xa8, 0x20)          // test al, 0x20
	p.jump(0x74, wait)          // jz wait
	p.emit(0xb2, portCOM1&0xff) // mov dl, low byte of the port
}

// print writes text to the serial port.
func (p *program) print(text string) {
	for _, c := range []byte(text) {
		p.awaitCOM1()
		p.emit(0xb0, c) // mov al, c
		p.emit(0xee)    // out dx, al
	}
}

// idle sleeps for ever, interrupted by the timer only.
func (p *program) idle() {
	loop := len(*p)
	p.emit(0xfb, 0xf4) // sti; hlt
	p.jump(0xeb, loop) // jmp loop
}

// powerOff asks ACPI for the state S5.
func (p *program) powerOff() { p.outw(portPM1Control, 1<<13) }

// obey powers off when the power button is pressed, and looks for that at
// every tick of the timer.
func (p *program) obey() {
	loop := len(*p)
	p.emit(0xfb, 0xf4) // sti; hlt
	p.movDX(portPM1Status)
	p.emit(0xed)             // in ax, dx
	p.emit(0xf6, 0xc4, 0x01) // test ah, 1
	p.jump(0x74, loop)       // jz loop
	p.powerOff()
	p.idle()
}

// rebootOnce resets the machine through the keyboard controller, unless a byte
// of CMOS memory says that it did so before.
func (p *program) rebootOnce() {
	const scratch = 0x77
	reset := []byte{
		0xb0, scratch, // mov al, scratch
		0xe6, 0x70, // out 0x70, al
		0xb0, 0x01, // mov al, 1
		0xe6, 0x71, // out 0x71, al
		0xb0, 0xfe, // mov al, 0xfe
		0xe6, 0x64, // out 0x64, al
		0xf4,       // hlt
		0xeb, 0xfd, // jmp to the hlt
	}
	p.emit(0xb0, scratch)          // mov al, scratch
	p.emit(0xe6, 0x70)             // out 0x70, al
	p.emit(0xe4, 0x71)             // in al, 0x71
	p.emit(0x84, 0xc0)             // test al, al
	p.emit(0x75, byte(len(reset))) // jnz past the reset
	p.emit(reset...)
}

// count prints the numbers from zero, a line of 8 hexadecimal digits each, as
// fast as the serial port takes them.
func (p *program) count() {
	p.emit(0x66, 0x31, 0xdb) // xor ebx, ebx
	line := len(*p)
	p.emit(0x66, 0x89, 0xd8) // mov eax, ebx
	p.emit(0xb9, 0x08, 0x00) // mov cx, 8
	digit := len(*p)
	p.emit(0x66, 0xc1, 0xc0, 0x04) // rol eax, 4
	p.emit(0x66, 0x50)             // push eax
	p.emit(0x24, 0x0f)             // and al, 15
	p.emit(0x3c, 0x0a)             // cmp al, 10
	p.emit(0x72, 0x02)             // jb over the next
	p.emit(0x04, 'a'-'0'-10)       // add al, 'a'-'0'-10
	p.emit(0x04, '0')              // add al, '0'
	p.emit(0x88, 0xc4)             // mov ah, al
	p.awaitCOM1()
	p.emit(0x88, 0xe0) // mov al, ah
	p.emit(0xee)       // out dx, al
	p.emit(0x66, 0x58) // pop eax
	p.jump(0xe2, digit)
	p.awaitCOM1()
	p.emit(0xb0, '\n') // mov al, '\n'
	p.emit(0xee)       // out dx, al
	p.emit(0x66, 0x43) // inc ebx
	p.jump(0xeb, line) // jmp line
}
