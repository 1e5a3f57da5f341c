// Checks an exported log with somebody else's code: golang.org/x/mod/sumdb, the checksum database of Go.
//
// usage: tlog FOLDER
// FOLDER holds log.vkey, checkpoint, checkpoint.N (earlier ones, N counts from 1) and tile/... as C2SP tlog-tiles.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
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

func main() {
	root := os.Args[1]
	vkey, err := os.ReadFile(filepath.Join(root, "log.vkey"))
	check("log.vkey is there", err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
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
