// The service that a NATS server asks about each client that connects (auth callout). Clients over MQTT bring a JWT as
// password; it is checked here, and NATS gets a user of its own kind in return, which ends when the JWT does.
//
//	callout -key               makes the key of this service where there is none yet, and prints its public part
//	callout -nats URL          answers until it is ended
package main

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	natsjwt "github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// What tokens must have.
const (
	issuer   = "https://issuer.example"
	audience = "mqtt"
	// The account of NATS whose subjects the clients see.
	account = "DEVICES"
)

func main() {
	log.SetFlags(0)
	makeKey := flag.Bool("key", false, "print the public key")
	seed := flag.String("seed", "callout.seed", "file of the key that signs answers")
	server := flag.String("nats", "", "URL of the server, with user and password")
	secret := flag.String("hs256", "", "file of the secret of HS256 tokens")
	rsa := flag.String("rs256", "", "file of the public key of RS256 tokens (PEM)")
	ec := flag.String("es256", "", "file of the public key of ES256 tokens (PEM)")
	flag.Parse()

	signer, err := signingKey(*seed, *makeKey)
	check(err)
	if *makeKey {
		public, err := signer.PublicKey()
		check(err)
		fmt.Println(public)
		return
	}
	keys, err := tokenKeys(*secret, *rsa, *ec)
	check(err)
	connection, err := nats.Connect(*server, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(100*time.Millisecond))
	check(err)
	// A queue group: several of these share the work.
	_, err = connection.QueueSubscribe("$SYS.REQ.USER.AUTH", "callout", func(message *nats.Msg) {
		if response, err := answer(signer, keys, string(message.Data)); err != nil {
			log.Println("no answer:", err)
		} else if err := message.Respond([]byte(response)); err != nil {
			log.Println("answer not sent:", err)
		}
	})
	check(err)
	check(connection.FlushTimeout(time.Minute))
	log.Println("ready")
	select {}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// The key by which the server knows this service (`auth_callout.issuer`): that of an account.
func signingKey(path string, create bool) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(path)
	if err == nil {
		return nkeys.FromSeed(seed)
	}
	if !create || !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key, err := nkeys.CreateAccount()
	if err != nil {
		return nil, err
	}
	seed, err = key.Seed()
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, seed, 0o600)
}

// One key for each algorithm, so that no key is ever used with another.
func tokenKeys(secret, rsa, ec string) (map[string]any, error) {
	keys := map[string]any{}
	for algorithm, file := range map[string]string{"HS256": secret, "RS256": rsa, "ES256": ec} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		switch algorithm {
		case "HS256":
			keys[algorithm] = text
		case "RS256":
			keys[algorithm], err = jwt.ParseRSAPublicKeyFromPEM(text)
		case "ES256":
			keys[algorithm], err = jwt.ParseECPublicKeyFromPEM(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return keys, nil
}

// The answer to a request: a user of NATS, or the reason why not, signed either way.
func answer(signer nkeys.KeyPair, keys map[string]any, data string) (string, error) {
	request, err := natsjwt.DecodeAuthorizationRequestClaims(data)
	if err != nil {
		return "", err
	}
	response := natsjwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience = request.Server.ID
	claims, err := verify(keys, request.ConnectOptions.Password)
	if err == nil && claims["sub"] != request.ConnectOptions.Username {
		err = errors.New("sub is not the user name")
	}
	if err != nil {
		// For the log of the server; the client gets code 5 whatever stands here.
		response.Error = err.Error()
		return response.Encode(signer)
	}
	user := natsjwt.NewUserClaims(request.UserNkey)
	user.Name = request.ConnectOptions.Username
	user.Audience = account
	// The server ends the connection at this second.
	if end, err := claims.GetExpirationTime(); err == nil && end != nil {
		user.Expires = end.Unix()
	}
	if response.Jwt, err = user.Encode(signer); err != nil {
		return "", err
	}
	return response.Encode(signer)
}

func verify(keys map[string]any, text string) (jwt.MapClaims, error) {
	if !plain(text) {
		return nil, errors.New("not a plain JWT")
	}
	claims := jwt.MapClaims{}
	algorithms := make([]string, 0, len(keys))
	for algorithm := range keys {
		algorithms = append(algorithms, algorithm)
	}
	token, err := jwt.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) {
		return keys[token.Method.Alg()], nil
	}, jwt.WithValidMethods(algorithms), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	if err != nil {
		return nil, err
	}
	// RFC 7515, 4.1.11: extensions that must be understood, and none is here.
	if _, there := token.Header["crit"]; there {
		return nil, errors.New("crit")
	}
	return claims, nil
}

// Whether the three segments have nothing but characters of base64url (RFC 7515, 2), and the claims are UTF-8 (RFC 8725, 3.7).
func plain(text string) bool {
	segments := strings.Split(text, ".")
	if len(segments) != 3 || strings.ContainsAny(text, "\r\n") {
		return false
	}
	claims, err := base64.RawURLEncoding.Strict().DecodeString(segments[1])
	return err == nil && utf8.Valid(claims)
}
