import TelpherClient
import Testing

/// Addresses of servers.
struct EndpointTests {
  @Test(arguments: [
    "unix:/run/x.sock", "tcp:127.0.0.1:70", "tcp:[::1]:70", "ssh://host", "ssh://me@host:22",
    "ssh://[fe80::1]:22", "ssh://host?jump=a@b:2&identity=~/.ssh/key%20a", "docker://web",
    "podman://a b", "kubectl://prod/web", "kubectl://prod/web/app", "kubectl://eu/prod/web/",
    "kubectl://eu%2fmain/prod/web/app", "exec:reach 'a b' telpher serve --listen stdio",
  ])
  func anAddressIsReadFromItsOwnText(_ text: String) throws {
    #expect(try Endpoint(parsing: text).description == text)
  }

  @Test(arguments: ["", "host", "http://host", "ssh:host", "docker:web"])
  func theMessageListsAllForms(_ text: String) {
    #expect {
      try Endpoint(parsing: text)
    } throws: {
      let message = ($0 as? ClientError)?.message ?? ""
      return [
        "unix:PATH", "tcp:HOST:PORT", "ssh://[USER@]HOST[:PORT]", "docker://CONTAINER",
        "podman://CONTAINER", "kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER]", "exec:COMMAND ...",
      ]
      .allSatisfy(message.contains)
    }
  }
}
