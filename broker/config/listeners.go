package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Listener is one place where the node takes connections.
type Listener struct {
	Name string // upper case, as in listeners=NAME://host:port
	Host string // empty: all interfaces
	Port int    // 0: any free port
	// Where clients are told to connect. AdvertisedHost is empty when neither listeners nor
	// advertised.listeners names one: the machine's host name then. AdvertisedPort 0: the port that Port 0 became.
	AdvertisedHost string
	AdvertisedPort int
}

// Address is what to listen on, for net.Listen.
func (l Listener) Address() string { return net.JoinHostPort(l.Host, strconv.Itoa(l.Port)) }

// Voter is one controller of controller.quorum.voters.
type Voter struct {
	NodeID int32
	Host   string
	Port   int
}

type endpoint struct {
	name, host string
	port       int
}

var endpointPattern = regexp.MustCompile(`^([A-Za-z0-9_.-]+)://(?:\[([0-9A-Za-z:%._-]*)\]|([0-9A-Za-z%._-]*)):([0-9]+)$`)

const endpointForm = "name://host:port, separated by commas, a port from 0 to 65535"

// endpoints reads a list of name://host:port.
func endpoints(value string) ([]endpoint, error) {
	var list []endpoint
	for _, item := range splitList(value) {
		m := endpointPattern.FindStringSubmatch(item)
		if m == nil {
			return nil, fmt.Errorf("%q is not of the form %s", item, endpointForm)
		}
		port, err := strconv.Atoi(m[4])
		if err != nil || port > 65535 {
			return nil, fmt.Errorf("%q is not of the form %s", item, endpointForm)
		}
		list = append(list, endpoint{name: strings.ToUpper(m[1]), host: m[2] + m[3], port: port})
	}
	return list, nil
}

func (l *loader) listeners(s *Server) {
	listening, err := endpoints(l.text("listeners"))
	if err == nil {
		err = distinct(listening)
	}
	if err == nil && len(listening) == 0 {
		err = fmt.Errorf("at least one listener is needed, as %s", endpointForm)
	}
	if err != nil {
		l.refuse("listeners", err.Error())
		return
	}
	controllers := l.list("controller.listener.names")
	for i := range controllers {
		controllers[i] = strings.ToUpper(controllers[i])
	}
	advertised := l.advertised()
	for _, e := range listening {
		listener := Listener{Name: e.name, Host: e.host, Port: e.port, AdvertisedHost: e.host, AdvertisedPort: e.port}
		if a, ok := advertised[e.name]; ok {
			listener.AdvertisedHost, listener.AdvertisedPort = a.host, a.port
			delete(advertised, e.name)
		}
		if slices.Contains(controllers, e.name) {
			s.ControllerListeners = append(s.ControllerListeners, listener)
			continue
		}
		s.Listeners = append(s.Listeners, listener)
	}
	for name := range advertised {
		if !slices.Contains(controllers, name) {
			l.refuse("advertised.listeners", fmt.Sprintf("%s is not among listeners", name))
			break
		}
	}
	if s.BrokerRole && len(s.Listeners) == 0 {
		l.refuse("listeners", "a broker needs a listener that is not among controller.listener.names")
	}
	l.protocols(s)
	l.routable(s)
	l.interBroker(s)
}

// distinct refuses a name twice, and a port twice on one host.
func distinct(list []endpoint) error {
	for i, e := range list {
		for _, earlier := range list[:i] {
			if e.name == earlier.name {
				return fmt.Errorf("each listener has a name of its own; %s is there twice", e.name)
			}
			if e.port != 0 && e.port == earlier.port && e.host == earlier.host {
				return fmt.Errorf("each listener has a port of its own; %d is there twice", e.port)
			}
		}
	}
	return nil
}

func (l *loader) advertised() map[string]endpoint {
	byName := map[string]endpoint{}
	if !l.isSet("advertised.listeners") {
		return byName
	}
	list, err := endpoints(l.text("advertised.listeners"))
	if err != nil {
		l.refuse("advertised.listeners", err.Error())
		return byName
	}
	for _, e := range list {
		if _, twice := byName[e.name]; twice {
			l.refuse("advertised.listeners", fmt.Sprintf("each listener has a name of its own; %s is there twice", e.name))
		}
		byName[e.name] = e
	}
	return byName
}

// protocols checks that every listener is mapped to PLAINTEXT. The map may name other protocols for listeners that
// are not used, as Apache Kafka's sample files do.
func (l *loader) protocols(s *Server) {
	const key = "listener.security.protocol.map"
	protocols := map[string]string{}
	for _, item := range l.list(key) {
		name, protocol, found := strings.Cut(item, ":")
		if !found || !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, strings.ToUpper(protocol)) {
			l.refuse(key, "allowed is name:protocol, separated by commas, with a protocol of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")
			return
		}
		protocols[strings.ToUpper(name)] = strings.ToUpper(protocol)
	}
	for _, listener := range slices.Concat(s.Listeners, s.ControllerListeners) {
		protocol, mapped := protocols[listener.Name]
		if !mapped && slices.Contains(l.controllerNames(), listener.Name) && !l.isSet(key) {
			protocol, mapped = "PLAINTEXT", true // Kafka's rule for controller listeners that the default map does not name
		}
		switch {
		case !mapped:
			l.refuse(key, fmt.Sprintf("the listener %s has no security protocol; add %s:PLAINTEXT", listener.Name, listener.Name))
		case protocol != "PLAINTEXT":
			l.refuse("listeners", fmt.Sprintf("the listener %s uses %s, and Highwater supports only PLAINTEXT so far", listener.Name, protocol))
		}
	}
}

func (l *loader) controllerNames() []string {
	names := l.list("controller.listener.names")
	for i := range names {
		names[i] = strings.ToUpper(names[i])
	}
	return names
}

// routable refuses to tell clients an address that means "here" wherever they are.
func (l *loader) routable(s *Server) {
	for _, listener := range s.Listeners {
		if listener.AdvertisedHost == "0.0.0.0" {
			key := "listeners"
			if l.isSet("advertised.listeners") {
				key = "advertised.listeners"
			}
			l.refuse(key, "0.0.0.0 cannot be told to clients; set advertised.listeners to an address they can reach")
			return
		}
	}
}

func (l *loader) interBroker(s *Server) {
	const key = "inter.broker.listener.name"
	if len(s.Listeners) == 0 {
		return
	}
	s.InterBrokerListener = s.Listeners[0].Name
	if !l.isSet(key) {
		for _, listener := range s.Listeners {
			if listener.Name == "PLAINTEXT" {
				s.InterBrokerListener = listener.Name
			}
		}
		return
	}
	s.InterBrokerListener = strings.ToUpper(l.text(key))
	for _, listener := range s.Listeners {
		if listener.Name == s.InterBrokerListener {
			return
		}
	}
	l.refuse(key, "allowed is the name of one of listeners that is not a controller's")
}

var voterPattern = regexp.MustCompile(`^([0-9]+)@(?:\[([0-9A-Za-z:%._-]+)\]|([0-9A-Za-z%._-]+)):([0-9]+)$`)

func quorumVoters(value string) string {
	for _, item := range splitList(value) {
		m := voterPattern.FindStringSubmatch(item)
		if m == nil || wholeNumber(0, maxInt)(m[1]) != "" || wholeNumber(0, 65535)(m[4]) != "" {
			return "id@host:port, separated by commas"
		}
	}
	return ""
}

// parseVoters reads what quorumVoters allowed.
func parseVoters(value string) []Voter {
	var voters []Voter
	for _, item := range splitList(value) {
		m := voterPattern.FindStringSubmatch(item)
		voters = append(voters, Voter{NodeID: int32(parseInt(m[1])), Host: m[2] + m[3], Port: int(parseInt(m[4]))})
	}
	return voters
}

// noAuthorizer refuses to serve to everybody what a file means to protect.
func noAuthorizer(value string) string {
	if value == "" {
		return ""
	}
	return "nothing: Highwater has no authorizer so far, and would let everybody do everything"
}

func adminListener(value string) string {
	if value == "" {
		return ""
	}
	_, port, err := net.SplitHostPort(value)
	if err != nil || wholeNumber(0, 65535)(port) != "" {
		return "host:port, or nothing for no admin server"
	}
	return ""
}

func ipOverrides(value string) string {
	for _, item := range splitList(value) {
		host, number, ok := cutLast(item, ":")
		if !ok || host == "" || wholeNumber(0, maxInt)(number) != "" {
			return "host:number, separated by commas"
		}
	}
	return ""
}

// parseIPOverrides reads what ipOverrides allowed.
func parseIPOverrides(value string) map[string]int {
	overrides := map[string]int{}
	for _, item := range splitList(value) {
		host, number, _ := cutLast(item, ":")
		overrides[strings.TrimSpace(host)] = int(parseInt(number))
	}
	return overrides
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimSpace(s[i+len(sep):]), true
}
