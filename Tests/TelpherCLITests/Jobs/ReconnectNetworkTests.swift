import Glibc
import Testing

/// Two network namespaces that are joined by a pair of virtual interfaces.
private enum NetworkPair {
  static let isPossible =
    geteuid() == 0 && access("/usr/bin/nsenter", X_OK) == 0
    && system("unshare -n ip link add near type veth peer name far >/dev/null 2>&1") == 0
}

/// `run --reconnect` over a real network whose link goes down: client and server are in two network
/// namespaces, joined by a pair of virtual interfaces.
@Suite(
  .timeLimit(.minutes(10)),
  .enabled(
    if: NetworkPair.isPossible,
    "root, nsenter(1) and ip(8) with virtual interfaces are needed"))
struct ReconnectNetworkTests {
  /// Makes the networks, a server, and a client whose command has written half of its output and waits.
  private static let beginning = """
    cd
    unshare -n sleep 1000 & far=$!
    trap 'kill $server $far 2>/dev/null; wait' EXIT
    until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
    ip link add near type veth peer name far && ip link set far netns $far || exit 10
    ip addr add 192.0.2.1/24 dev near; ip link set near up; ip link set lo up
    there() { nsenter -t $far -n "$@"; }
    there ip addr add 192.0.2.2/24 dev far; there ip link set far up; there ip link set lo up
    nsenter -t $far -n telpher serve --listen tls:192.0.2.2:7722 --listen unix:$PWD/s $OPTIONS >listening &
    server=$!
    until grep -q 'host key' listening; do kill -0 $server || exit 11; sleep 0.01; done
    mkfifo gate
    telpher run --reconnect=5m --on tls://192.0.2.2 --accept-new --keep 0 --cwd "$PWD" -- sh -c \
      'seq 100000; echo half >&2; read line <gate; seq 2000000; exit 9' >out 2>err & client=$!
    until grep -q half err; do kill -0 $client || exit 12; sleep 0.01; done

    """

  /// Checks that all of the output has arrived once, and the status.
  private static let ending = """

    wait $client; [ $? = 9 ] || exit 20
    { seq 100000; seq 2000000; } | cmp - out || exit 21

    """

  private func run(_ script: String, options: String = "") async throws {
    try await Sandbox.withJobs { sandbox in
      sandbox.write(
        "OPTIONS='\(options)'\n" + Self.beginning + script + Self.ending,
        to: sandbox.folder + "/script")
      let result = try await sandbox.shell(
        "unshare -n timeout 200 sh ~/script; code=$?; cat ~/err; exit $code")
      #expect(result.status == 0, "\(result.text) \(result.errorText)")
    }
  }

  @Test func anOutageAfterWhichTheServerHasGivenUpTheClient() async throws {
    try await run(
      """
      ip link set near down
      # The only other connection is that of the question itself.
      until telpher info --on unix:$PWD/s | grep -q '^connections: 1$'
      do kill -0 $server || exit 13; sleep 0.05; done
      echo >gate
      ip link set near up
      """, options: "--client-timeout 1s")
  }

  @Test func aShortOutageCostsNoConnection() async throws {
    try await run(
      """
      ip link set near down
      echo >gate
      sleep 0.3
      ip link set near up
      wait $client; [ $? = 9 ] || exit 15
      grep -q reconnect err && exit 16
      (exit 9) & client=$!
      """)
  }

  /// What is on its way is dropped each time.
  @Test func aLinkThatDropsPacketsAgainAndAgain() async throws {
    try await run(
      """
      echo >gate
      count=0
      while kill -0 $client 2>/dev/null && [ $count -lt 30 ]; do
        ip link set near down; sleep 0.05; ip link set near up; sleep 0.15
        count=$((count + 1))
      done
      """, options: "--client-timeout 2s")
  }

  /// The client notices the silence after 45 s, and then the unreachable network.
  @Test(.enabled(if: getenv("TELPHER_SLOW") != nil, "it takes more than a minute"))
  func anOutageThatTheClientNotices() async throws {
    try await run(
      """
      ip link set near down
      until grep -q 'trying to reconnect' err; do kill -0 $client || exit 17; sleep 0.5; done
      echo >gate
      sleep 15
      ip link set near up
      """)
  }
}
