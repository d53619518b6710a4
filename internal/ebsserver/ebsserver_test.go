package ebsserver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// TestRoundTrip writes a snapshot from many clients and reads it back.
//
//origami:proves ebs:StartSnapshot ebs:PutSnapshotBlock ebs:CompleteSnapshot ebs:ListSnapshotBlocks ebs:GetSnapshotBlock
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	started, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{
		VolumeSize: p(int64(2)), Description: p("disk of mine"), Tags: []types.Tag{{Key: p("k"), Value: p("v")}}, Timeout: p(int32(10)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if started.Status != types.StatusPending || *started.OwnerId != string(i.a.id) || *started.BlockSize != size || *started.VolumeSize != 2 ||
		*started.Description != "disk of mine" || len(started.Tags) != 1 || *started.Tags[0].Value != "v" ||
		time.Since(*started.StartTime) > time.Hour || started.ParentSnapshotId != nil {
		t.Errorf("started %+v", started)
	}
	id := started.SnapshotId
	blocks := map[int32][]byte{0: content(1), 7: content(2), 300: content(3), 4095: content(4)}
	var clients sync.WaitGroup
	for n, b := range blocks {
		for _, put := range [][]byte{content(99), b} { // the last one wins
			if put[0] != b[0] || n%2 == 0 {
				if _, err := c.PutSnapshotBlock(t.Context(), putInput(id, n, put)); err != nil {
					t.Fatal(err)
				}
			}
		}
		clients.Go(func() {
			out, err := c.PutSnapshotBlock(t.Context(), putInput(id, n, b))
			if err != nil || *out.Checksum != *checksum(b) || out.ChecksumAlgorithm != types.ChecksumAlgorithmChecksumAlgorithmSha256 {
				t.Errorf("put of block %d: %+v, %v", n, out, err)
			}
		})
	}
	clients.Wait()
	_, err = c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
	wants(t, "list of a pending snapshot", err, "ValidationException/INVALID_SNAPSHOT_ID")

	h := sha256.New()
	for _, n := range slices.Sorted(maps.Keys(blocks)) {
		sum := sha256.Sum256(blocks[n])
		h.Write(sum[:])
	}
	complete := &sdk.CompleteSnapshotInput{
		SnapshotId: id, ChangedBlocksCount: p(int32(4)), Checksum: p(base64.StdEncoding.EncodeToString(h.Sum(nil))),
		ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256, ChecksumAggregationMethod: types.ChecksumAggregationMethodChecksumAggregationLinear,
	}
	done, err := c.CompleteSnapshot(t.Context(), complete)
	if err != nil || done.Status != types.StatusPending {
		t.Errorf("completed: %+v, %v", done, err)
	}
	if state, message := i.a.ended(t, id); state != origami.SnapshotCompleted {
		t.Fatalf("%s: %s", state, message)
	}
	if done, err := c.CompleteSnapshot(t.Context(), complete); err != nil || done.Status != types.StatusCompleted {
		t.Errorf("completed again: %+v, %v", done, err)
	}
	_, err = c.PutSnapshotBlock(t.Context(), putInput(id, 0, content(1)))
	wants(t, "put into a completed snapshot", err, "ValidationException/INVALID_SNAPSHOT_ID")

	list, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
	if err != nil || len(list.Blocks) != 4 || *list.VolumeSize != 2 || *list.BlockSize != size || list.NextToken != nil ||
		time.Until(*list.ExpiryTime) < 6*24*time.Hour || time.Until(*list.ExpiryTime) > 7*24*time.Hour+time.Minute {
		t.Fatalf("list: %+v, %v", list, err)
	}
	for i, n := range slices.Sorted(maps.Keys(blocks)) {
		if *list.Blocks[i].BlockIndex != n {
			t.Fatalf("block %d of the list is %d, want %d", i, *list.Blocks[i].BlockIndex, n)
		}
		out, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: id, BlockIndex: &n, BlockToken: list.Blocks[i].BlockToken})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, out.BlockData); !bytes.Equal(got, blocks[n]) || *out.Checksum != *checksum(blocks[n]) || *out.DataLength != size {
			t.Errorf("block %d reads as another", n)
		}
	}
	described, err := i.a.ec2(home).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*id}})
	if err != nil || len(described.Snapshots) != 1 {
		t.Fatalf("EC2 describes %+v, %v", described, err)
	}
	if s := described.Snapshots[0]; s.State != ec2types.SnapshotStateCompleted || *s.VolumeId != "vol-ffffffff" || *s.Progress != "100%" ||
		*s.FullSnapshotSizeInBytes != 4*size || *s.Description != "disk of mine" || len(s.Tags) != 1 || *s.VolumeSize != 2 {
		t.Errorf("EC2 describes %+v", s)
	}
	await(t, "the log is gone", func() bool { return len(i.logs()) == 0 })
}

// TestParent writes children over parents, in both directions of change.
//
//origami:proves ebs:ListChangedBlocks ebs:StartSnapshot
func TestParent(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	a := i.a.make(t, nil, map[int32][]byte{1: content(1), 2: content(2), 500: content(5)})
	b := i.a.make(t, a, map[int32][]byte{2: content(9), 3: content(3), 500: make([]byte, size), 600: make([]byte, size)})
	var listed []int32
	out, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: b})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range out.Blocks {
		listed = append(listed, *l.BlockIndex)
	}
	if want := []int32{1, 2, 3}; !slices.Equal(listed, want) {
		t.Errorf("blocks of the child = %v, want %v", listed, want)
	}
	type change struct {
		n             int32
		first, second bool
	}
	for _, tt := range []struct {
		first, second *string
		want          []change
	}{
		{a, b, []change{{2, true, true}, {3, false, true}, {500, true, false}}},
		{b, a, []change{{2, true, true}, {3, true, false}, {500, false, true}}},
		{a, a, nil},
	} {
		out, err := c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: tt.first, SecondSnapshotId: tt.second})
		if err != nil {
			t.Fatal(err)
		}
		var got []change
		for _, l := range out.ChangedBlocks {
			got = append(got, change{*l.BlockIndex, l.FirstBlockToken != nil, l.SecondBlockToken != nil})
			for _, side := range []struct{ id, token *string }{{tt.first, l.FirstBlockToken}, {tt.second, l.SecondBlockToken}} {
				if side.token == nil {
					continue
				}
				data, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: side.id, BlockIndex: l.BlockIndex, BlockToken: side.token})
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]map[int32][]byte{*a: {2: content(2), 500: content(5)}, *b: {2: content(9), 3: content(3)}}[*side.id][*l.BlockIndex]
				if !bytes.Equal(readAll(t, data.BlockData), want) {
					t.Errorf("block %d of %s reads as another", *l.BlockIndex, *side.id)
				}
			}
		}
		if !slices.Equal(got, tt.want) || *out.VolumeSize != 1 {
			t.Errorf("changes from %s to %s = %v, want %v", *tt.first, *tt.second, got, tt.want)
		}
	}
	// A child stands alone.
	if _, err := i.a.ec2(home).DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: a}); err != nil {
		t.Fatal(err)
	}
	token := out.Blocks[0].BlockToken
	data, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: b, BlockIndex: p(int32(1)), BlockToken: token})
	if err != nil || !bytes.Equal(readAll(t, data.BlockData), content(1)) {
		t.Errorf("the block that came from the deleted parent: %v", err)
	}
	stranger := i.a.make(t, nil, map[int32][]byte{1: content(1)})
	_, err = c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: stranger, SecondSnapshotId: b})
	wants(t, "strangers", err, "ValidationException/UNRELATED_SNAPSHOTS")
	_, err = c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{SecondSnapshotId: b})
	wants(t, "no first snapshot", err, "ValidationException/INVALID_PARAMETER_VALUE")
	_, err = c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: i.a.begin(t, nil, nil)})
	wants(t, "pending parent", err, "ValidationException/INVALID_SNAPSHOT_ID")
	big, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(3)), ParentSnapshotId: b})
	if err != nil || *big.ParentSnapshotId != *b {
		t.Fatalf("larger child: %+v, %v", big, err)
	}
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(big.SnapshotId, 3*2048-1, content(7))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: big.SnapshotId, ChangedBlocksCount: p(int32(1))}); err != nil {
		t.Fatal(err)
	}
	if state, message := i.a.ended(t, big.SnapshotId); state != origami.SnapshotCompleted {
		t.Fatalf("larger child: %s", message)
	}
	changes, err := c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: b, SecondSnapshotId: big.SnapshotId})
	if err != nil || len(changes.ChangedBlocks) != 1 || *changes.ChangedBlocks[0].BlockIndex != 3*2048-1 || *changes.VolumeSize != 3 {
		t.Errorf("changes to the larger child: %+v, %v", changes, err)
	}
	_, err = c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(2)), ParentSnapshotId: big.SnapshotId})
	wants(t, "smaller child", err, "ValidationException/INVALID_VOLUME_SIZE")
}

// TestPages lists many blocks page by page.
//
//origami:proves ebs:ListSnapshotBlocks ebs:ListChangedBlocks
func TestPages(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	blocks := make(map[int32][]byte)
	one := content(1)
	var want []int32
	for n := range int32(250) {
		blocks[n*8+3] = one
		want = append(want, n*8+3)
	}
	a := i.a.make(t, nil, nil)
	b := i.a.make(t, a, blocks)
	for _, most := range []*int32{nil, p(int32(1)), p(int32(100)), p(int32(120)), p(int32(10000))} {
		var got, changed []int32
		pages := 0
		for token := (*string)(nil); ; pages++ {
			out, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: b, MaxResults: most, NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			if out.NextToken != nil && len(out.Blocks) < 100 {
				t.Errorf("a page of %d blocks is not the last", len(out.Blocks))
			}
			for _, l := range out.Blocks {
				got = append(got, *l.BlockIndex)
			}
			if token = out.NextToken; token == nil {
				break
			}
		}
		for token := (*string)(nil); ; {
			// The token comes before the starting block.
			out, err := c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: a, SecondSnapshotId: b,
				MaxResults: most, NextToken: token, StartingBlockIndex: p(int32(1600))})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range out.ChangedBlocks {
				changed = append(changed, *l.BlockIndex)
			}
			if token = out.NextToken; token == nil {
				break
			}
		}
		if !slices.Equal(got, want) || !slices.Equal(changed, want[200:]) {
			t.Errorf("pages of %v: %d blocks, %d changes, want %d, %d", most, len(got), len(changed), len(want), len(want)-200)
		}
		if most != nil && *most <= 100 && pages != 2 {
			t.Errorf("%d pages before the last, want 2", pages)
		}
	}
	for _, most := range []int32{0, -1, 10001} {
		_, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: b, MaxResults: &most})
		wants(t, fmt.Sprint("pages of ", most), err, "ValidationException/INVALID_PARAMETER_VALUE")
	}
	last, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: b, StartingBlockIndex: p(int32(2047))})
	if err != nil || len(last.Blocks) != 0 || last.NextToken != nil {
		t.Errorf("behind the last block: %+v, %v", last, err)
	}
}

//origami:proves ebs:GetSnapshotBlock
func TestTokens(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	blocks := make(map[int32][]byte)
	for n := range int32(150) {
		blocks[n] = content(1)
	}
	one, two := i.a.make(t, nil, blocks), i.a.make(t, nil, blocks)
	list, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: one, MaxResults: p(int32(100))})
	if err != nil {
		t.Fatal(err)
	}
	token, page := *list.Blocks[5].BlockToken, list.NextToken
	get := func(id *string, n int32, token string) error {
		out, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: id, BlockIndex: &n, BlockToken: &token})
		if err == nil {
			readAll(t, out.BlockData)
		}
		return err
	}
	if err := get(one, 5, token); err != nil {
		t.Fatal(err)
	}
	flipped := []byte(token)
	flipped[0] ^= 1
	for what, err := range map[string]error{
		"another block":    get(one, 6, token),
		"another snapshot": get(two, 5, token),
		"a changed token":  get(one, 5, string(flipped)),
		"a page token":     get(one, 5, *page),
		"a short token":    get(one, 5, token[:40]),
		"no base64":        get(one, 5, "!"),
		"a long token":     get(one, 5, strings.Repeat("A", 4000)),
	} {
		wants(t, what, err, "ValidationException/INVALID_BLOCK_TOKEN")
	}
	for what, in := range map[string]*sdk.ListSnapshotBlocksInput{
		"page of another snapshot": {SnapshotId: two, NextToken: page},
		"block token":              {SnapshotId: one, NextToken: &token},
		"nonsense":                 {SnapshotId: one, NextToken: p("AAAA")},
	} {
		_, err := c.ListSnapshotBlocks(t.Context(), in)
		wants(t, what, err, "ValidationException/INVALID_PAGE_TOKEN")
	}
	// Neither a restart nor another process matters; time does.
	i.restart()
	c = i.a.blocks(home)
	i.ahead.Store(int64(50 * time.Minute))
	if _, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: one, NextToken: page}); err != nil {
		t.Errorf("page token after 50 minutes: %v", err)
	}
	i.ahead.Store(int64(61 * time.Minute))
	_, err = c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: one, NextToken: page})
	wants(t, "page token after 61 minutes", err, "ValidationException/INVALID_PAGE_TOKEN")
	i.ahead.Store(int64(7*24*time.Hour - time.Hour))
	if err := get(one, 5, token); err != nil {
		t.Errorf("block token within 7 days: %v", err)
	}
	i.ahead.Store(int64(7*24*time.Hour + time.Second))
	wants(t, "block token after 7 days", get(one, 5, token), "ValidationException/INVALID_BLOCK_TOKEN")
}

// TestAccess asks about snapshots of another account.
func TestAccess(t *testing.T) {
	t.Parallel()
	i := start(t)
	bob := i.b.blocks(home)
	id := i.a.make(t, nil, map[int32][]byte{0: content(1)})
	pending := i.a.begin(t, nil, nil)
	share := func(c *ec2types.CreateVolumePermissionModifications) {
		t.Helper()
		_, err := i.a.ec2(home).ModifySnapshotAttribute(t.Context(), &ec2.ModifySnapshotAttributeInput{SnapshotId: id, CreateVolumePermission: c})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func() error {
		_, err := bob.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
		return err
	}
	wants(t, "another's", list(), "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	share(&ec2types.CreateVolumePermissionModifications{Add: []ec2types.CreateVolumePermission{{Group: ec2types.PermissionGroupAll}}})
	wants(t, "public", list(), "AccessDeniedException/UNAUTHORIZED_ACCOUNT")
	_, err := bob.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: id})
	wants(t, "public parent", err, "AccessDeniedException/UNAUTHORIZED_ACCOUNT")
	share(&ec2types.CreateVolumePermissionModifications{Add: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}}})
	if err := list(); err != nil {
		t.Errorf("shared: %v", err)
	}
	if s, err := bob.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: id}); err != nil || *s.OwnerId != string(i.b.id) {
		t.Errorf("shared parent: %+v, %v", s, err)
	}
	_, err = bob.PutSnapshotBlock(t.Context(), putInput(id, 0, content(1)))
	wants(t, "put into a shared one", err, "AccessDeniedException/UNAUTHORIZED_ACCOUNT")
	_, err = bob.PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1)))
	wants(t, "put into another's", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	_, err = bob.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: pending, ChangedBlocksCount: p(int32(0))})
	wants(t, "complete another's", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	elsewhere := i.a.blocks(abroad)
	_, err = elsewhere.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
	wants(t, "another region", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	_, err = elsewhere.PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1)))
	wants(t, "put from another region", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	if _, err := i.a.blocks(home).PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1))); err != nil {
		t.Errorf("the owner's put: %v", err)
	}
	_, err = elsewhere.PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1)))
	wants(t, "put from another region while the log is open", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	_, err = bob.PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1)))
	wants(t, "put into another's while the log is open", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	share(&ec2types.CreateVolumePermissionModifications{Remove: []ec2types.CreateVolumePermission{{UserId: p(string(i.b.id))}, {Group: ec2types.PermissionGroupAll}}})
	wants(t, "no longer shared", list(), "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
}

//origami:proves ebs:StartSnapshot
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	parent := i.a.make(t, nil, nil)
	one := p(int64(1))
	const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for what, tt := range map[string]struct {
		in   sdk.StartSnapshotInput
		want string
	}{
		"no space":              {sdk.StartSnapshotInput{VolumeSize: p(int64(0))}, "INVALID_VOLUME_SIZE"},
		"too large":             {sdk.StartSnapshotInput{VolumeSize: p(int64(65537))}, "INVALID_VOLUME_SIZE"},
		"short timeout":         {sdk.StartSnapshotInput{VolumeSize: one, Timeout: p(int32(9))}, "INVALID_PARAMETER_VALUE"},
		"long timeout":          {sdk.StartSnapshotInput{VolumeSize: one, Timeout: p(int32(4321))}, "INVALID_PARAMETER_VALUE"},
		"long description":      {sdk.StartSnapshotInput{VolumeSize: one, Description: p(strings.Repeat("d", 256))}, "INVALID_PARAMETER_VALUE"},
		"token with a space":    {sdk.StartSnapshotInput{VolumeSize: one, ClientToken: p("a b")}, "INVALID_PARAMETER_VALUE"},
		"bad parent":            {sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: p("snap-1")}, "INVALID_SNAPSHOT_ID"},
		"reserved tag":          {sdk.StartSnapshotInput{VolumeSize: one, Tags: []types.Tag{{Key: p("aws:x"), Value: p("")}}}, "INVALID_TAG"},
		"tag twice":             {sdk.StartSnapshotInput{VolumeSize: one, Tags: []types.Tag{{Key: p("x")}, {Key: p("x")}}}, "INVALID_TAG"},
		"a key's ID":            {sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: p(key[strings.LastIndex(key, "/")+1:])}, "INVALID_CUSTOMER_KEY"},
		"an alias":              {sdk.StartSnapshotInput{VolumeSize: one, Encrypted: p(true), KmsKeyArn: p("arn:aws:kms:eu-west-1:111122223333:alias/x")}, "INVALID_CUSTOMER_KEY"},
		"a key, not encrypted":  {sdk.StartSnapshotInput{VolumeSize: one, Encrypted: p(false), KmsKeyArn: p(key)}, "INVALID_PARAMETER_VALUE"},
		"parent and encrypted":  {sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: parent, Encrypted: p(true)}, "INVALID_PARAMETER_VALUE"},
		"parent and unencypted": {sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: parent, Encrypted: p(false)}, "INVALID_PARAMETER_VALUE"},
		"parent and a key":      {sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: parent, KmsKeyArn: p(key)}, "INVALID_PARAMETER_VALUE"},
	} {
		_, err := c.StartSnapshot(t.Context(), &tt.in)
		wants(t, what, err, "ValidationException/"+tt.want)
	}
	_, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: p("snap-0123456789abcdef0")})
	wants(t, "unknown parent", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	if _, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: one, Encrypted: p(false)}); err != nil {
		t.Errorf("not encrypted: %v", err)
	}
	if logs := i.logs(); len(logs) != 1 {
		t.Errorf("logs after all refusals: %v", logs)
	}
}

//origami:proves ebs:PutSnapshotBlock
func TestPutRefuses(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	id := i.a.begin(t, nil, nil)
	b := content(1)
	change := func(f func(*sdk.PutSnapshotBlockInput)) *sdk.PutSnapshotBlockInput {
		in := putInput(id, 0, b)
		f(in)
		return in
	}
	for what, tt := range map[string]struct {
		in   *sdk.PutSnapshotBlockInput
		want string
	}{
		"beyond the end":     {putInput(id, 2048, b), "ValidationException/INVALID_BLOCK"},
		"negative":           {putInput(id, -1, b), "ValidationException/INVALID_PARAMETER_VALUE"},
		"short":              {putInput(id, 0, b[1:]), "ValidationException/INVALID_BLOCK"},
		"long":               {putInput(id, 0, append(b[:size:size], 0)), "ValidationException/INVALID_BLOCK"},
		"wrong length":       {change(func(in *sdk.PutSnapshotBlockInput) { in.DataLength = p(int32(512)) }), "ValidationException/INVALID_BLOCK"},
		"wrong checksum":     {change(func(in *sdk.PutSnapshotBlockInput) { in.Checksum = checksum(b[1:]) }), "ValidationException/INVALID_BLOCK"},
		"no checksum":        {change(func(in *sdk.PutSnapshotBlockInput) { in.Checksum = p("AA==") }), "ValidationException/INVALID_PARAMETER_VALUE"},
		"other algorithm":    {change(func(in *sdk.PutSnapshotBlockInput) { in.ChecksumAlgorithm = "MD5" }), "ValidationException/INVALID_PARAMETER_VALUE"},
		"progress of 101":    {change(func(in *sdk.PutSnapshotBlockInput) { in.Progress = p(int32(101)) }), "ValidationException/INVALID_PARAMETER_VALUE"},
		"malformed snapshot": {putInput(p("snap-xyz"), 0, b), "ValidationException/INVALID_SNAPSHOT_ID"},
		"unknown snapshot":   {putInput(p("snap-0123456789abcdef0"), 0, b), "ResourceNotFoundException/SNAPSHOT_NOT_FOUND"},
	} {
		_, err := c.PutSnapshotBlock(t.Context(), tt.in)
		wants(t, what, err, tt.want)
	}
	if _, err := c.PutSnapshotBlock(t.Context(), change(func(in *sdk.PutSnapshotBlockInput) { in.Progress = p(int32(42)) })); err != nil {
		t.Fatal(err)
	}
	if got := i.a.read(t, id).Progress; got != 42 {
		t.Errorf("progress = %d, want 42", got)
	}
	for what, in := range map[string]*sdk.CompleteSnapshotInput{
		"negative count": {SnapshotId: id, ChangedBlocksCount: p(int32(-1))},
		"no method":      {SnapshotId: id, ChangedBlocksCount: p(int32(1)), Checksum: checksum(b), ChecksumAlgorithm: "SHA256"},
		"no algorithm":   {SnapshotId: id, ChangedBlocksCount: p(int32(1)), Checksum: checksum(b), ChecksumAggregationMethod: "LINEAR"},
		"no sum":         {SnapshotId: id, ChangedBlocksCount: p(int32(1)), ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR"},
	} {
		_, err := c.CompleteSnapshot(t.Context(), in)
		wants(t, what, err, "ValidationException/INVALID_PARAMETER_VALUE")
	}
}

// TestWrongEnd completes snapshots with what is not true.
//
//origami:proves ebs:CompleteSnapshot
func TestWrongEnd(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	for what, in := range map[string]*sdk.CompleteSnapshotInput{
		"too few":  {ChangedBlocksCount: p(int32(1))},
		"too many": {ChangedBlocksCount: p(int32(3))},
		"checksum": {ChangedBlocksCount: p(int32(2)), Checksum: checksum(nil), ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR"},
	} {
		in.SnapshotId = i.a.begin(t, nil, map[int32][]byte{0: content(1), 9: content(2)})
		if out, err := c.CompleteSnapshot(t.Context(), in); err != nil || out.Status != types.StatusPending {
			t.Errorf("%s: %+v, %v", what, out, err)
		}
		if state, message := i.a.ended(t, in.SnapshotId); state != origami.SnapshotError || message == "" {
			t.Errorf("%s: %s, %s", what, state, message)
		}
		_, err := c.PutSnapshotBlock(t.Context(), putInput(in.SnapshotId, 0, content(1)))
		wants(t, what+": put", err, "ValidationException/INVALID_SNAPSHOT_ID")
		_, err = c.CompleteSnapshot(t.Context(), in)
		wants(t, what+": complete again", err, "ValidationException/INVALID_SNAPSHOT_ID")
	}
	await(t, "the logs are gone", func() bool { return len(i.logs()) == 0 })
}

func TestClientToken(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	in := &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ClientToken: p("once"), Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}
	first, err := c.StartSnapshot(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.StartSnapshot(t.Context(), in)
	if err != nil || *again.SnapshotId != *first.SnapshotId || len(again.Tags) != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(2)), ClientToken: p("once")})
	wants(t, "other parameters", err, "ConflictException")
	for what, c := range map[string]*sdk.Client{"bob": i.b.blocks(home), "abroad": i.a.blocks(abroad)} {
		other, err := c.StartSnapshot(t.Context(), in)
		if err != nil || *other.SnapshotId == *first.SnapshotId {
			t.Errorf("%s: %+v, %v", what, other, err)
		}
	}
	if logs := i.logs(); len(logs) != 3 {
		t.Errorf("logs: %v", logs)
	}
}

func TestConcurrentLimit(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	var last *string
	for range 100 {
		last = i.a.begin(t, nil, nil)
	}
	_, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1))})
	wants(t, "the 101st", err, "ConcurrentLimitExceededException")
	if _, err := i.b.blocks(home).StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1))}); err != nil {
		t.Errorf("bob's: %v", err)
	}
	if _, err := i.a.ec2(home).DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: last}); err != nil {
		t.Fatal(err)
	}
	i.a.begin(t, nil, nil)
}

// TestRestart goes on with an upload after the service has begun anew.
func TestRestart(t *testing.T) {
	t.Parallel()
	i := start(t)
	id := i.a.begin(t, nil, map[int32][]byte{0: content(1), 1: content(2)})
	i.restart()
	c := i.a.blocks(home)
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(id, 2, content(3))); err != nil {
		t.Fatal(err)
	}
	i.restart()
	c = i.a.blocks(home)
	if _, err := c.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: id, ChangedBlocksCount: p(int32(3))}); err != nil {
		t.Fatal(err)
	}
	if state, message := i.a.ended(t, id); state != origami.SnapshotCompleted {
		t.Fatalf("%s: %s", state, message)
	}
}

// TestTimeout leaves uploads alone: after the timeout, counted from the last
// block, they fail and give back what they hold.
func TestTimeout(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	ids := make([]*string, 2)
	for n := range ids {
		s, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), Timeout: p(int32(10))})
		if err != nil {
			t.Fatal(err)
		}
		ids[n] = s.SnapshotId
	}
	quiet, busy := ids[0], ids[1]
	i.ahead.Store(int64(5 * time.Minute))
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(busy, 0, content(1))); err != nil {
		t.Fatal(err)
	}
	i.ahead.Store(int64(11 * time.Minute))
	if state, message := i.a.ended(t, quiet); state != origami.SnapshotError || !strings.Contains(message, "timeout") {
		t.Errorf("%s: %s", state, message)
	}
	i.restart() // the time of the last block is not forgotten
	c = i.a.blocks(home)
	i.ahead.Store(int64(12 * time.Minute))
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(busy, 1, content(1))); err != nil {
		t.Errorf("put within the timeout: %v", err)
	}
	i.ahead.Store(int64(29 * time.Minute))
	_, err := c.PutSnapshotBlock(t.Context(), putInput(busy, 2, content(1)))
	if got := describe(err); !strings.HasPrefix(got, "ValidationException/WRITE_REQUEST_TIMEOUT") && !strings.HasPrefix(got, "ValidationException/INVALID_SNAPSHOT_ID") {
		t.Errorf("put after the timeout: %s", got)
	}
	if state, _ := i.a.ended(t, busy); state != origami.SnapshotError {
		t.Errorf("busy: %s", state)
	}
	await(t, "the logs are gone", func() bool { return len(i.logs()) == 0 })
}

// TestDeletePending deletes an upload under the client that writes it.
func TestDeletePending(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	id := i.a.begin(t, nil, map[int32][]byte{0: content(1)})
	if _, err := i.a.ec2(home).DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: id}); err != nil {
		t.Fatal(err)
	}
	await(t, "the log is gone", func() bool { return len(i.logs()) == 0 })
	_, err := c.PutSnapshotBlock(t.Context(), putInput(id, 1, content(1)))
	wants(t, "put", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
	_, err = c.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: id, ChangedBlocksCount: p(int32(1))})
	wants(t, "complete", err, "ResourceNotFoundException/SNAPSHOT_NOT_FOUND")
}

// TestChangesCost counts what a list of changes reads of a large snapshot.
//
//origami:proves ebs:ListChangedBlocks
func TestChangesCost(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	begin := func(parent *string, blocks ...int32) *string {
		s, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(16 << 10)), ParentSnapshotId: parent})
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range blocks {
			if _, err := c.PutSnapshotBlock(t.Context(), putInput(s.SnapshotId, n, content(byte(len(blocks)+k)))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: s.SnapshotId, ChangedBlocksCount: p(int32(len(blocks)))}); err != nil {
			t.Fatal(err)
		}
		i.a.ended(t, s.SnapshotId)
		return s.SnapshotId
	}
	var base []int32
	for n := range int32(60) {
		base = append(base, n*500_000)
	}
	a := begin(nil, base...)
	for _, changed := range [][]int32{{}, {12_345_678}, {1, 9_000_000, 33_000_000}} {
		b := begin(a, changed...)
		before := i.ebs.StoreStats().NodeReads
		out, err := c.ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: a, SecondSnapshotId: b})
		if err != nil || len(out.ChangedBlocks) != len(changed) {
			t.Fatalf("%d changes: %+v, %v", len(changed), out, err)
		}
		if nodes, most := i.ebs.StoreStats().NodeReads-before, int64(2*4*len(changed)); nodes > most {
			t.Errorf("%d manifest nodes read for %d changes, want at most %d", nodes, len(changed), most)
		}
	}
}
