// What a NATS server in operator mode is set up with: an operator, and an account whose users come over MQTT.
//
//	operator -folder DIR       makes the keys where there are none yet, and writes DIR/accounts.conf, which the server includes;
//	                           DIR/account.nk signs users, and so does DIR/signing.nk, a signing key of the account
//	operator -folder DIR -tokens FILE -count N
//	                           writes N user JWTs to FILE, one JSON object a line, of which each fourth has ended
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	natsjwt "github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

func main() {
	log.SetFlags(0)
	folder := flag.String("folder", ".", "where keys and settings are")
	tokens := flag.String("tokens", "", "file for user JWTs")
	count := flag.Int("count", 100, "how many")
	flag.Parse()

	account := key(*folder, "account.nk", nkeys.CreateAccount)
	if *tokens != "" {
		writeTokens(*tokens, *count, account)
		return
	}
	operator := key(*folder, "operator.nk", nkeys.CreateOperator)
	system := key(*folder, "system.nk", nkeys.CreateAccount)
	signing := key(*folder, "signing.nk", nkeys.CreateAccount)

	own := natsjwt.NewOperatorClaims(public(operator))
	own.Name = "OPERATOR"
	own.SystemAccount = public(system)
	devices := natsjwt.NewAccountClaims(public(account))
	devices.Name = "DEVICES"
	devices.SigningKeys.Add(public(signing))
	// MQTT keeps sessions in JetStream.
	devices.Limits.JetStreamLimits = natsjwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	sys := natsjwt.NewAccountClaims(public(system))
	sys.Name = "SYSTEM"
	conf := fmt.Sprintf("operator: \"%s\"\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n  %s: \"%s\"\n  %s: \"%s\"\n}\n",
		must(own.Encode(operator)), public(system),
		public(account), must(devices.Encode(operator)), public(system), must(sys.Encode(operator)))
	check(os.WriteFile(filepath.Join(*folder, "accounts.conf"), []byte(conf), 0o600))
}

// The key in a file, which is made where it is not there.
func key(folder, name string, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	path := filepath.Join(folder, name)
	if seed, err := os.ReadFile(path); err == nil {
		return must(nkeys.FromSeed(seed))
	}
	made := must(create())
	check(os.WriteFile(path, must(made.Seed()), 0o600))
	return made
}

func public(key nkeys.KeyPair) string {
	return must(key.PublicKey())
}

func writeTokens(path string, count int, account nkeys.KeyPair) {
	file := must(os.Create(path))
	out := bufio.NewWriter(file)
	for n := range count {
		claims := natsjwt.NewUserClaims(public(must(nkeys.CreateUser())))
		claims.Name = fmt.Sprintf("user-%d", n)
		claims.BearerToken = true
		claims.AllowedConnectionTypes.Add(natsjwt.ConnectionTypeMqtt)
		expected, ends := "accept", time.Now().Add(time.Hour)
		if n%4 == 3 {
			expected, ends = "refuse", time.Now().Add(-time.Hour)
		}
		claims.Expires = ends.Unix()
		row := map[string]string{
			"client_id": fmt.Sprintf("filed-%d", n), "username": claims.Name,
			"token": must(claims.Encode(account)), "expected": expected,
		}
		check(json.NewEncoder(out).Encode(row))
	}
	check(out.Flush())
	check(file.Close())
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
