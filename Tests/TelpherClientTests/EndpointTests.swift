import TelpherClient
import Testing

/// Addresses of servers.
struct EndpointTests {
  @Test(arguments: [
    "unix:/run/x.sock", "tcp:127.0.0.1:70", "tcp:[::1]:70", "tls://host:70", "tls://[::1]:70",
    "tls://me@host:70", "tls://me@[::1]:70",
    "ssh://host", "ssh://me@host:22",
    "ssh://[fe80::1]:22", "ssh://host?jump=a@b:2&identity=~/.ssh/key%20a", "docker://web",
    "podman://a b", "kubectl://prod/web", "kubectl://prod/web/app", "kubectl://eu/prod/web/",
    "kubectl://eu%2fmain/prod/web/app", "exec:reach 'a b' telpher serve --listen stdio",
  ])
  func anAddressIsReadFromItsOwnText(_ text: String) throws {
    #expect(try Endpoint(parsing: text).description == text)
  }

  @Test func aTLSAddressHasADefaultPort() throws {
    #expect(try Endpoint(parsing: "tls://host").description == "tls://host:7722")
    #expect(try Endpoint(parsing: "tls://[fe80::1]").description == "tls://[fe80::1]:7722")
  }

  @Test(arguments: [
    "tls://", "tls://:70", "tls://host:", "tls://host:0", "tls://host:65536", "tls://host:x",
    "tls://@host", "tls://a@b@host", "tls://a:b@host", "tls://-a@host",
    "tls://a b@host", "tls://host/path", "tls://host?x", "tls://::1", "tls://[::1", "tls://a b",
    "tls://-x", "tls://*.example.com", "tls://a,b",
  ])
  func aMalformedTLSAddressIsRefused(_ text: String) {
    #expect {
      try Endpoint(parsing: text)
    } throws: {
      ($0 as? ClientError)?.message.contains("tls://[USER@]HOST[:PORT]") == true
    }
  }

  @Test(arguments: ["", "host", "http://host", "ssh:host", "docker:web"])
  func theMessageListsAllForms(_ text: String) {
    #expect {
      try Endpoint(parsing: text)
    } throws: {
      let message = ($0 as? ClientError)?.message ?? ""
      return [
        "unix:PATH", "tcp:HOST:PORT", "tls://[USER@]HOST[:PORT]", "ssh://[USER@]HOST[:PORT]",
        "docker://CONTAINER",
        "podman://CONTAINER", "kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER]", "exec:COMMAND ...",
      ]
      .allSatisfy(message.contains)
    }
  }
}
