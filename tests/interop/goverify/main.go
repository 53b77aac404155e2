// An auditor's check with somebody else's code: the Go project's transparency-log packages (Debian:
// golang-golang-x-mod-dev), as they verify the Go checksum database. Nothing of the vault is in it.
//
//	goverify tree DIR VKEY      every entry, every tile, the root, the signature
//	goverify proof FILE VKEY    a receipt whose extra line holds its entry (c2sp.org/tlog-proof)
//
// Tiles are computed from the entries and compared: tlog.TileHashReader would trust a level-0 tile that was
// forged with its entry (CVE-2026-56865).
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: goverify tree DIR VKEY | proof FILE VKEY")
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(read(os.Args[3]))))
	check(err)
	switch os.Args[1] {
	case "tree":
		fmt.Println(tree(os.Args[2], key))
	case "proof":
		fmt.Println(proof(os.Args[2], key))
	default:
		log.Fatal("unknown command")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err)
	return data
}

// point opens a checkpoint: origin, size, root.
func point(data []byte, key note.Verifier) (int64, tlog.Hash) {
	opened, err := note.Open(data, note.VerifierList(key))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() {
		log.Fatal("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return size, root
}

// tree reads every entry, builds every hash from them, and compares tiles and root.
func tree(dir string, key note.Verifier) int64 {
	size, root := point(read(filepath.Join(dir, "checkpoint")), key)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = stored[index]
		}
		return found, nil
	})
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		data := read(filepath.Join(dir, "tile", "entries", name(first/256, width)))
		for at := int64(0); at < width; at++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				log.Fatalf("entry %d: the bundle ends before it", first+at)
			}
			length := 2 + int(binary.BigEndian.Uint16(data))
			hashes, err := tlog.StoredHashes(first+at, data[2:length], reader)
			check(err)
			stored = append(stored, hashes...)
			data = data[length:]
		}
		if len(data) > 0 {
			log.Fatalf("bundle %d goes on behind its last entry", first/256)
		}
	}
	computed, err := tlog.TreeHash(size, reader)
	check(err)
	if computed != root {
		log.Fatal("the entries are not those of the checkpoint")
	}
	for level, count := 0, size; count > 0; level, count = level+1, count>>height {
		for index := int64(0); index<<height < count; index++ {
			width := count - index<<height
			if width > 256 {
				width = 256
			}
			want, err := tlog.ReadTileData(tlog.Tile{H: height, L: level, N: index, W: int(width)}, reader)
			check(err)
			have := read(filepath.Join(dir, "tile", strconv.Itoa(level), name(index, width)))
			if !bytes.Equal(want, have) {
				log.Fatalf("tile %d of level %d is not the tree's", index, level)
			}
		}
	}
	return size
}

// name spells an index as c2sp.org/tlog-tiles does.
func name(index, width int64) string {
	parts := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		parts = fmt.Sprintf("x%03d/%s", index%1000, parts)
	}
	if width < 256 {
		parts += fmt.Sprintf(".p/%d", width)
	}
	return parts
}

// proof checks a receipt; its extra line holds the entry.
func proof(path string, key note.Verifier) int64 {
	head, signed, ok := strings.Cut(string(read(path)), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		log.Fatal("not a receipt with its entry")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err)
	size, root := point([]byte(signed), key)
	var path_ tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		path_ = append(path_, hash)
	}
	check(tlog.CheckRecord(path_, size, root, index, tlog.RecordHash(entry)))
	return index
}
