// Foreign checks what Keytrail publishes by the verifiers of other people: tessera, golang.org/x/mod/sumdb and torchwood.
//
// `foreign` reads one request a line (JSON) and answers each with a line: {"refused": ""} if the verifier accepts, or else what
// it says. `foreign agent SOCKET` is an ssh-agent with one key, which is how litewitness holds its key.
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const longestRequest = 16 << 20

// A request has the members that its check reads. Bytes are in base64.
type request struct {
	Check  string
	Key    string // a verifier key of the log
	Policy string // what must have signed, as C2SP tlog-policy writes it
	URL    string // where the log is published
	Note   string // a signed checkpoint
	Proof  string // a tlog-proof
	Entry  []byte
	Index  int64
	Path   []tlog.Hash
	Old    head
	New    head
}

type head struct {
	Size int64
	Root tlog.Hash
}

var checks = map[string]func(request) error{
	"checkpoint":  checkpoint,
	"consistency": consistency,
	"fsck":        everyTile,
	"inclusion":   inclusion,
	"mirror":      mirror,
	"proof":       proof,
}

// checkpoint opens a note with the log's key alone (golang.org/x/mod/sumdb/note), and under a policy (torchwood).
func checkpoint(asked request) error {
	key, err := note.NewVerifier(asked.Key)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(asked.Note), note.VerifierList(key))
	if err != nil {
		return err
	}
	if _, err := torchwood.ParseCheckpoint(opened.Text); err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy([]byte(asked.Policy))
	if err != nil {
		return err
	}
	_, _, err = torchwood.VerifyCheckpoint([]byte(asked.Note), policy)
	return err
}

// inclusion: golang.org/x/mod/sumdb/tlog, RFC 6962.
func inclusion(asked request) error {
	return tlog.CheckRecord(asked.Path, asked.New.Size, asked.New.Root, asked.Index, tlog.RecordHash(asked.Entry))
}

func consistency(asked request) error {
	return tlog.CheckTree(asked.Path, asked.New.Size, asked.New.Root, asked.Old.Size, asked.Old.Root)
}

// proof is a record's proof in one text, C2SP tlog-proof.
func proof(asked request) error {
	policy, err := torchwood.ParsePolicy([]byte(asked.Policy))
	if err != nil {
		return err
	}
	return torchwood.VerifyProof(policy, tlog.RecordHash(asked.Entry), []byte(asked.Proof))
}

// everyTile makes each tile and the root again from the entries, and compares them with what is published.
func everyTile(asked request) error {
	key, err := note.NewVerifier(asked.Key)
	if err != nil {
		return err
	}
	source, err := published(asked.URL)
	if err != nil {
		return err
	}
	return fsck.New(key.Name(), key, source, leaves, fsck.Opts{N: 4}).Check(context.Background())
}

func published(address string) (fsck.Fetcher, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if parsed.Scheme == "file" {
		return &client.FileFetcher{Root: parsed.Path}, nil
	}
	return client.NewHTTPFetcher(parsed, nil)
}

func leaves(bundle []byte) ([][]byte, error) {
	read := api.EntryBundle{}
	if err := read.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var found [][]byte
	for _, each := range read.Entries {
		found = append(found, rfc6962.DefaultHasher.HashLeaf(each))
	}
	return found, nil
}

// mirror reads every entry as a monitor does, each with its inclusion in the checkpoint's tree. Entry is the SHA-256 of them all.
func mirror(asked request) error {
	policy, err := torchwood.ParsePolicy([]byte(asked.Policy))
	if err != nil {
		return err
	}
	tiles, err := torchwood.NewTileFetcher(asked.URL)
	if err != nil {
		return err
	}
	reader, err := torchwood.NewClient(tiles)
	if err != nil {
		return err
	}
	signed, err := tiles.ReadEndpoint(context.Background(), "checkpoint")
	if err != nil {
		return err
	}
	head, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return err
	}
	sum, count := sha256.New(), int64(0)
	for index, entry := range reader.AllEntries(context.Background(), head.Tree, 0) {
		if index != count {
			return fmt.Errorf("entry %d came after %d entries", index, count)
		}
		sum.Write(entry)
		count++
	}
	if err := reader.Err(); err != nil {
		return err
	}
	if count != head.N || string(sum.Sum(nil)) != string(asked.Entry) {
		return fmt.Errorf("%d entries, and they are others than expected", count)
	}
	return nil
}

func answer() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestRequest)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		check, known := checks[asked.Check]
		if !known {
			return fmt.Errorf("there is no check %q", asked.Check)
		}
		refused := ""
		if err := check(asked); err != nil {
			refused = err.Error()
		}
		if err := answers.Encode(map[string]string{"refused": refused}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// holdKey serves the key whose seed stands on the first line of standard input (hex), until standard input ends.
func holdKey(socket string) error {
	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		return errors.New("no seed on standard input")
	}
	seed, err := hex.DecodeString(lines.Text())
	if err != nil || len(seed) != ed25519.SeedSize {
		return errors.New("a seed is 32 bytes in hex")
	}
	private := ed25519.NewKeyFromSeed(seed)
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		return err
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: &private}); err != nil {
		return err
	}
	listening, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println(ssh.FingerprintSHA256(public))
	go func() {
		for lines.Scan() {
		}
		listening.Close()
	}()
	for {
		connection, err := listening.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go agent.ServeAgent(keys, connection)
	}
}

func main() {
	var err error
	if len(os.Args) == 3 && os.Args[1] == "agent" {
		err = holdKey(os.Args[2])
	} else {
		err = answer()
	}
	if err != nil {
		log.Fatal(err)
	}
}
