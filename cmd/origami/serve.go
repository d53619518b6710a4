package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/vmm/qemu"
)

// options are the flags of serve.
type options struct {
	dir          dataDir
	listen       string
	regions      []origami.Region
	publicPrefix netip.Prefix
	vmm          string // vmmQEMU or vmmNone
	egress       string // a name of egressPolicies
	accel        string
	qemu         string
	grace        time.Duration
	cache        int64 // MiB
	logLevel     slog.Level
	metrics      string // address, or "" for none
	audit        string // path, or "" for none

	root   rootKeys
	quotas map[string]int
}

// quotaNames are what --quota can limit.
var quotaNames = []string{"image-copies", "image-shares", "image-usage-reports", "images", "instances", "key-pairs", "pending-snapshots", "public-images",
	"snapshot-copies", "volume-copies", "volumes"}

func serveCommand() *cobra.Command { return serveCommandWith(serve) }

// serveCommandWith is the command with what it runs.
func serveCommandWith(serve func(context.Context, options, io.Writer) error) *cobra.Command {
	var o options
	var dir, prefix, level string
	var regions []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: `Run the service until SIGINT or SIGTERM. Virtual machines go on when it ends,
and it finds them again when it starts.`,
		Example: "  origami serve --data-dir ~/origami --listen 127.0.0.1:8773 --regions us-east-1,eu-west-1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.parse(dir, prefix, level, regions); err != nil {
				return err
			}
			return serve(c.Context(), o, c.OutOrStdout())
		},
	}
	dataDirFlag(c, &dir)
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8773", "address of the API")
	f.StringSliceVar(&regions, "regions", []string{"us-east-1", "eu-west-1"}, "regions to serve")
	f.StringVar(&prefix, "public-prefix", "127.10.0.0/16", "loopback addresses for instances")
	f.StringVar(&o.egress, "egress", "any", "what instances may reach outside their VPC, after their security groups:\nnone, public (no private networks) or any (everything but this host itself)")
	f.StringVar(&o.vmm, "vmm", vmmQEMU, "what runs machines: qemu, or none to let them change state and execute nothing")
	f.StringVar(&o.accel, "accel", qemu.AccelAuto, "how machines run: auto, kvm or tcg")
	f.StringVar(&o.qemu, "qemu", "", "QEMU program (default: qemu-system-x86_64 in the PATH)")
	f.DurationVar(&o.grace, "shutdown-grace", 2*time.Minute, "how long a guest may take to shut down before it is powered off")
	f.Int64Var(&o.cache, "cache-mib", 64, "memory for decoded blocks, in MiB")
	f.StringToIntVar(&o.quotas, "quota", map[string]int{"key-pairs": 5000}, "how much an account may have in a region: instances (pending and running), key-pairs, volumes,\nimages, public-images, image-usage-reports, image-shares of one image,\npending-snapshots of one volume, and image-copies, snapshot-copies and volume-copies\nunder way; what is not named has EC2's limit if it is about images or copies, and no limit\notherwise (instances=20,volumes=100)")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.metrics, "metrics", "", "address of /metrics, /healthz and /readyz, which are open to whoever reaches it: 127.0.0.1:9773 (default: none)")
	f.StringVar(&o.audit, "audit-log", "", "file to which a line of JSON is added for every request that changes something (default: none)")
	o.root.flags(c)
	return c
}

// parse checks the flags that are more than a string.
func (o *options) parse(dir, prefix, level string, regions []string) error {
	var err error
	if o.dir, err = absolute(dir); err != nil {
		return err
	}
	if o.publicPrefix, err = netip.ParsePrefix(prefix); err != nil {
		return fmt.Errorf("--public-prefix: %w", err)
	}
	if a := o.publicPrefix.Addr(); !a.Is4() || !a.IsLoopback() || o.publicPrefix.Bits() < 8 || o.publicPrefix.Bits() > 30 {
		return fmt.Errorf("--public-prefix: %s is no part of 127.0.0.0/8 with room for instances", prefix)
	}
	if err := o.logLevel.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	if egressPolicies[o.egress] == nil {
		return fmt.Errorf("--egress: %q is neither none, public nor any", o.egress)
	}
	if o.vmm != vmmQEMU && o.vmm != vmmNone {
		return fmt.Errorf("--vmm: %q is neither %s nor %s", o.vmm, vmmQEMU, vmmNone)
	}
	if o.audit != "" { // commands in other directories write to it, too
		if o.audit, err = filepath.Abs(o.audit); err != nil {
			return fmt.Errorf("--audit-log: %w", err)
		}
	}
	if err := o.root.check(); err != nil {
		return err
	}
	if o.cache < 1 || o.cache > 1<<20 {
		return fmt.Errorf("--cache-mib: %d is not between 1 and %d", o.cache, 1<<20)
	}
	for name, n := range o.quotas {
		if !slices.Contains(quotaNames, name) || n < 1 {
			return fmt.Errorf("--quota: %s=%d does not limit one of %s to a number", name, n, strings.Join(quotaNames, ", "))
		}
	}
	if o.metrics != "" {
		if err := checkAddress(o.metrics); err != nil {
			return err
		}
	}
	seen := make(map[string]bool)
	for _, r := range regions {
		if !validRegion(r) || seen[r] {
			return fmt.Errorf("--regions: %q is no region name, or there twice", r)
		}
		seen[r] = true
		o.regions = append(o.regions, origami.Region(r))
	}
	if len(o.regions) == 0 {
		return fmt.Errorf("--regions: name at least one")
	}
	return nil
}

// validRegion reports whether s looks like a region: words of lower-case
// letters and a number, "us-east-1".
func validRegion(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(s) > 32 {
		return false
	}
	for i, p := range parts {
		letters := "abcdefghijklmnopqrstuvwxyz"
		if i == len(parts)-1 {
			letters = "0123456789"
		}
		if p == "" || strings.Trim(p, letters) != "" {
			return false
		}
	}
	return true
}

// newLogger logs to standard error: for people on a terminal, as JSON
// otherwise.
func newLogger(level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return slog.New(slog.NewTextHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opts))
}

// banner tells a person who started the service what to do next.
func (o options) banner(url string) string {
	return fmt.Sprintf(`Origami serves EC2 at %s in %s.
In another terminal:

  eval "$(%s env --data-dir %s)"
  aws ec2 describe-images --owners self
`, url, joinRegions(o.regions, ", "), quoteIfNeeded(program()), quoteIfNeeded(string(o.dir)))
}

func joinRegions(regions []origami.Region, sep string) string {
	names := make([]string, len(regions))
	for i, r := range regions {
		names[i] = string(r)
	}
	return strings.Join(names, sep)
}
