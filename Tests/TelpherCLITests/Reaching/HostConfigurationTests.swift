import TelpherClient
import Testing

@testable import TelpherCLI

/// The text of a configuration file.
struct HostConfigurationTests {
  private func hosts(_ text: String) throws -> [ExactText: String] {
    try HostConfiguration(parsing: text).hosts.mapValues {
      "\($0.endpoint)\($0.keep.map { " \($0)" } ?? "")"
    }
  }

  @Test func hostsHaveAddressesAndOptions() throws {
    let text = """
      # comment
        # another

      host build
        address ssh://me@10.0.0.7:2222
      \tjump  a@gate,b  \t
        identity ~/my keys/# 1
        keep 10m
      Host web
      ADDRESS docker://web
      host plain
      host cold
      keep 0
      """
    #expect(
      try hosts(text) == [
        "build": "ssh://me@10.0.0.7:2222?jump=a@gate,b&identity=~/my%20keys/%23%201 600.0 seconds",
        "web": "docker://web", "plain": "ssh://plain", "cold": "ssh://cold 0.0 seconds",
      ])
  }

  @Test(arguments: ["", "\n\n", "# host a", "host a\r\n  keep 1s\r\n"])
  func emptyFilesCommentsAndLineEndsOfOtherSystemsAreRead(_ text: String) throws {
    #expect(try hosts(text).count == (text.hasPrefix("host") ? 1 : 0))
  }

  @Test(arguments: [
    ("host a\n  adress x", 2, "there is no key 'adress': did you mean 'address'?"),
    (
      "host a\nforwarding x", 2,
      "there is no key 'forwarding': the keys are host, address, jump, identity, keep"
    ),
    ("\n# x\njump a", 3, "'jump' must follow a line 'host NAME' that it belongs to"),
    ("host", 1, "there is no name after 'host'"),
    ("host a b", 1, "'a b' can't be the name of a host"),
    ("host me@a", 1, "'me@a' can't be the name of a host"),
    ("host -a", 1, "'-a' can't be the name of a host"),
    ("host a:b", 1, "'a:b' can't be the name of a host"),
    ("host a\nhost b\nhost a", 3, "the host 'a' was already described"),
    ("host a\njump", 2, "there is no value after 'jump'"),
    ("host a\nkeep 1s\n\nkeep 2s", 4, "'keep' occurs twice for the host 'a'"),
    ("host a\nkeep soon", 2, "'soon' is not a time"),
    ("host a\nkeep -1", 2, "'-1' is not a time"),
    ("host a\naddress host", 2, "'host' is not an address"),
    ("host a\naddress docker://-x\n", 2, "is not of the form docker://CONTAINER"),
    ("host a\naddress docker://x\njump g", 3, "'jump' is for ssh:// addresses, not for docker://x"),
    ("host a\nidentity k\naddress unix:/x", 2, "'identity' is for ssh:// addresses"),
    ("host a\njump $(x)", 2, "'$(x)' is not a jump for ssh"),
    ("host a\nidentity\u{7}x y", 2, "there is a control character"),
    ("host $x", 1, "'$x' is not a host for ssh"),
  ])
  func aMistakeIsReportedWithItsLine(_ text: String, _ line: Int, _ message: String) {
    #expect {
      try HostConfiguration(parsing: text)
    } throws: {
      guard let mistake = $0 as? HostConfiguration.Mistake else { return false }
      return mistake.line == line && mistake.message.contains(message)
    }
  }

  @Test(arguments: [
    ("a:b", "a", "b"), ("me@a:", "me@a", ""), ("a:/b:c", "a", "/b:c"), ("[::1]:x", "[::1]", "x"),
    ("me@[fe80::1%2]:~/x", "me@[fe80::1%2]", "~/x"), ("a[b]:c", "a[b]", "c"),
    ("docker:/x", "docker", "/x"), ("./a:b", nil, "./a:b"), ("/a:b", nil, "/a:b"),
    ("a/b:c", nil, "a/b:c"), ("-", nil, "-"), ("", nil, ""),
  ])
  func aColonBeforeAnySlashEndsAHost(_ text: String, _ host: String?, _ path: String) throws {
    #expect(
      try PathArgument.parse(text) == PathArgument(host: host, path: PathText(path)))
  }

  @Test(arguments: [":x", ":", "ssh://host/x", "docker://web:/x", "unix:/x", "tcp:a:1", "exec:x"])
  func anAddressIsNoHostBeforeAPath(_ text: String) {
    #expect(throws: (any Error).self) { try PathArgument.parse(text) }
  }
}
