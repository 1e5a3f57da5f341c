// Checks an exported log with somebody else's code: golang.org/x/mod/sumdb, the checksum database of Go.
//
// usage: tlog FOLDER
// FOLDER holds log.vkey, checkpoint, checkpoint.N (earlier ones, N counts from 1) and tile/... as C2SP tlog-tiles; and the same
// in a folder epoch-N-ID for each log that a restore began, whose first entry tells of the log before it.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var passed, failed int

func check(what string, err error) {
	if err == nil {
		passed++
		return
	}
	failed++
	fmt.Printf("FAILED %s: %v\n", what, err)
}

// folder reads tiles of height 8: Go's tile/8/L/N is C2SP's tile/L/N.
type folder struct{ root string }

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		bytes, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		if len(bytes) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes instead of %d", path, len(bytes), tile.W*tlog.HashSize)
		}
		out = append(out, bytes)
	}
	return out, nil
}

// tree opens a signed checkpoint and reads its three lines.
func tree(file string, verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	bytes, err := os.ReadFile(file)
	if err != nil {
		return tree, err
	}
	return readTree(bytes, verifier)
}

func readTree(bytes []byte, verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	opened, err := note.Open(bytes, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	if _, err := fmt.Sscanf(lines[1], "%d", &tree.N); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// entries reads the bundle that holds entries first ..< first+width.
func entries(root string, first, width int64) ([][]byte, error) {
	// C2SP writes a bundle's number as a tile's; Go writes it for a tile of level 0.
	path := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}.Path()
	bytes, err := os.ReadFile(filepath.Join(root, "tile/entries/"+strings.TrimPrefix(path, "tile/8/0/")))
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for len(bytes) >= 2 {
		n := int(binary.BigEndian.Uint16(bytes))
		if len(bytes) < 2+n {
			return nil, fmt.Errorf("an entry is cut off")
		}
		out = append(out, bytes[2:2+n])
		bytes = bytes[2+n:]
	}
	if len(bytes) != 0 || int64(len(out)) != width {
		return nil, fmt.Errorf("%d entries instead of %d", len(out), width)
	}
	return out, nil
}

// log is what was found of one log.
type log struct {
	verifier note.Verifier
	key      []byte
	tree     tlog.Tree
	reader   tlog.HashReader
	first    []byte
}

// key reads log.vkey: its name, a hash and the key itself, joined by plus signs.
func key(root string) (note.Verifier, []byte, error) {
	vkey, err := os.ReadFile(filepath.Join(root, "log.vkey"))
	if err != nil {
		return nil, nil, err
	}
	text := strings.TrimSpace(string(vkey))
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, nil, err
	}
	material, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 3)[2])
	return verifier, material, err
}

func checkLog(root string) *log {
	verifier, material, err := key(root)
	check("log.vkey is a key", err)
	if failed > 0 {
		report()
	}
	last, err := tree(filepath.Join(root, "checkpoint"), verifier)
	check("checkpoint is signed", err)
	if failed > 0 {
		report()
	}

	// TileHashReader checks every tile it reads against the tree's root.
	reader := tlog.TileHashReader(last, folder{root})
	computed, err := tlog.TreeHash(last.N, reader)
	if err == nil && computed != last.Hash {
		err = fmt.Errorf("root is %v, the checkpoint says %v", computed, last.Hash)
	}
	check("the tiles have the checkpoint's root", err)

	found := &log{verifier: verifier, key: material, tree: last, reader: reader}
	for first := int64(0); first < last.N; first += 256 {
		width := last.N - first
		if width > 256 {
			width = 256
		}
		bundle, err := entries(root, first, width)
		check(fmt.Sprintf("bundle at %d", first), err)
		for i, entry := range bundle {
			index := first + int64(i)
			proof, err := tlog.ProveRecord(last.N, index, reader)
			if err == nil {
				err = tlog.CheckRecord(proof, last.N, last.Hash, index, tlog.RecordHash(entry))
			}
			check(fmt.Sprintf("entry %d is included", index), err)
			if index == 0 {
				found.first = entry
			}
		}
	}

	var before tlog.Tree
	for n := 1; ; n++ {
		file := filepath.Join(root, fmt.Sprintf("checkpoint.%d", n))
		if _, err := os.Stat(file); err != nil {
			break
		}
		now, err := tree(file, verifier)
		check(fmt.Sprintf("checkpoint.%d is signed", n), err)
		if n > 1 && err == nil {
			check(fmt.Sprintf("checkpoint.%d extends the one before", n), consistent(before, now, reader))
		}
		if err == nil {
			check(fmt.Sprintf("checkpoint extends checkpoint.%d", n), consistent(now, last, reader))
		}
		before = now
	}
	return found
}

// epoch names a log, as the first entry of a later one does.
type epoch struct {
	Number int
	ID     string
}

func (e epoch) folder() string {
	if e.Number == 1 && e.ID == "" {
		return ""
	}
	return fmt.Sprintf("epoch-%d-%s", e.Number, e.ID)
}

// beginning is what the first entry of a log that a restore began commits to.
type beginning struct {
	Epoch, Previous epoch
	Restored        struct {
		Size int64
		Root string
	}
	Published     *string
	AlsoPublished []string
}

func readBeginning(root string, entry []byte) (beginning, error) {
	var begun beginning
	var leaf struct{ Kind, Commitment string }
	if err := json.Unmarshal(entry, &leaf); err != nil {
		return begun, err
	}
	if leaf.Kind != "epoch" || len(leaf.Commitment) != 64 {
		return begun, fmt.Errorf("it is of the kind %q", leaf.Kind)
	}
	object, err := os.ReadFile(filepath.Join(root, "payload", leaf.Commitment[:2], leaf.Commitment))
	if err != nil {
		return begun, err
	}
	sum := sha256.Sum256(object)
	if hex.EncodeToString(sum[:]) != leaf.Commitment || len(object) < 32 {
		return begun, fmt.Errorf("its payload is another one")
	}
	return begun, json.Unmarshal(object[32:], &begun)
}

// signed reads a checkpoint of a log by that log's name, which the same key signs.
func signed(text string, key []byte) (string, tlog.Tree, error) {
	name, _, _ := strings.Cut(text, "\n")
	verifier, err := note.NewVerifier(fmt.Sprintf("%s+%08x+%s", name, keyHash(name, key), base64.StdEncoding.EncodeToString(key)))
	if err != nil {
		return name, tlog.Tree{}, err
	}
	found, err := readTree([]byte(text), verifier)
	return name, found, err
}

// keyHash is the first four bytes of SHA-256(name, line feed, key), as C2SP signed-note says.
func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// checkLink holds the first entry of a log against the log before it.
func checkLink(root, name, previous string, logs map[string]*log) {
	begun, err := readBeginning(filepath.Join(root, name), logs[name].first)
	check(name+" begins with an entry that tells of the log before", err)
	if err != nil {
		return
	}
	check(name+" says its own name", equal(name, begun.Epoch.folder()))
	check(name+" goes on after the log before it", equal(previous, begun.Previous.folder()))
	before := logs[previous]
	if begun.Restored.Size > 0 {
		root, err := hex.DecodeString(begun.Restored.Root)
		if err == nil && (before.tree.N != begun.Restored.Size || !bytes.Equal(root, before.tree.Hash[:])) {
			err = fmt.Errorf("it ends at %d, not at %d", before.tree.N, begun.Restored.Size)
		}
		check(name+" goes on where the log before ends", err)
	}
	notes := begun.AlsoPublished
	if begun.Published != nil {
		notes = append([]string{*begun.Published}, notes...)
	}
	for _, text := range notes {
		origin, found, err := signed(text, before.key)
		check("a checkpoint in the first entry of "+name+" is signed", err)
		for _, other := range logs {
			if err == nil && other.verifier.Name() == origin && found.N <= other.tree.N {
				check(origin+" extends a checkpoint in the first entry of "+name, consistent(found, other.tree, other.reader))
			}
		}
	}
}

func equal(wanted, found string) error {
	if wanted == found {
		return nil
	}
	return fmt.Errorf("%q instead of %q", found, wanted)
}

func main() {
	root := os.Args[1]
	logs := map[string]*log{"": checkLog(root)}
	paths, err := filepath.Glob(filepath.Join(root, "epoch-*"))
	check("the folder is readable", err)
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	number := func(name string) (n int) {
		_, err := fmt.Sscanf(name, "epoch-%d-", &n)
		check(name+" has a number", err)
		return n
	}
	sort.Slice(names, func(a, b int) bool { return number(names[a]) < number(names[b]) })
	for _, name := range names {
		logs[name] = checkLog(filepath.Join(root, name))
		check(name+" has the same key", equal(fmt.Sprintf("%x", logs[""].key), fmt.Sprintf("%x", logs[name].key)))
		check(name+" has a name of its own", equal(logs[""].verifier.Name()+"/"+name, logs[name].verifier.Name()))
	}
	previous := ""
	for _, name := range names {
		checkLink(root, name, previous, logs)
		previous = name
	}
	if len(logs) > 1 {
		fmt.Printf("%d logs: ", len(logs))
	}
	report()
}

func consistent(old, new tlog.Tree, reader tlog.HashReader) error {
	if old.N == 0 {
		return nil
	}
	proof, err := tlog.ProveTree(new.N, old.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, new.N, new.Hash, old.N, old.Hash)
}

func report() {
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}
