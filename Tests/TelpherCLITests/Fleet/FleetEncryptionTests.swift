import Glibc
import TelpherTestSupport
import Testing

/// A fleet whose broker demands TLS, with a certificate of an authority of its own.
@Suite(
  .enabled(if: FleetStage.hasTools, NATSServer.missing),
  .enabled(if: access("/usr/bin/openssl", X_OK) == 0, "there is no openssl"))
struct FleetEncryptionTests {
  @Test func jobsGoThroughAnEncryptedFleet() async throws {
    try await FleetStage.with(["a"], isEncrypted: true) { stage in
      try await stage.start("a")
      let job = try await stage.submit("--queue", "web", "--", "sh", "-c", "exit 3")
      #expect(try await stage.wait(job).status == 3)
      let file = try #require(TelpherTestSupport.Sandbox.text(stage.folder + "/a"))
      #expect(file.contains("hub tls://\(stage.address)\nhub-ca hub-ca.pem\n"), "\(file)")
      // The server decides: an address without tls is encrypted too.
      let plain = try await stage.telpher(["job", "list", "--hub", "nats://\(stage.address)"])
      #expect(plain.status == 0, "\(plain.errorText)")
    }
  }

  /// The message says what is wrong, which authorities were asked, and what to do.
  @Test func aBrokerOfAnotherAuthorityIsRefused() async throws {
    try await FleetStage.with(["a"], isEncrypted: true) { stage in
      try await eventually("the broker answers") {
        try await stage.telpher(["job", "list"]).status == 0
      }
      let other = stage.sandbox.folder + "/other.pem"
      async let wrong = stage.telpher(["job", "list", "--hub-ca", other])
      try await stage.sandbox.shell("sed -i /hub-ca/d \(stage.folder)/admin").expectSuccess()
      async let system = stage.telpher([
        "job", "list", "--credentials", stage.folder + "/admin.key",
      ])
      let (first, second) = (try await wrong, try await system)
      #expect(first.status == 125 && first.text.isEmpty)
      #expect(first.errorText.contains("certificate"), "\(first.errorText)")
      #expect(first.errorText.hasSuffix("; the authorities are those of \(other)\n"))
      #expect(second.status == 125 && second.text.isEmpty)
      #expect(second.errorText.contains("unable to get local issuer certificate"))
      #expect(second.errorText.hasSuffix("of this system, name others with --hub-ca\n"))
      let missing = try await stage.telpher(["job", "list", "--hub-ca", "/nowhere.pem"])
      #expect(
        missing.errorText == "telpher: cannot open /nowhere.pem: No such file or directory\n")
      let none = try await stage.telpher(["job", "list", "--hub-ca", stage.key])
      #expect(none.status == 125, "\(none.errorText)")
      #expect(none.errorText.contains("the authorities for the NATS server can't be used"))
    }
  }

  @Test func aPlainBrokerIsRefusedWithTLS() async throws {
    try await FleetStage.with(["a"]) { stage in
      let result = try await stage.telpher(["job", "list", "--hub", "tls://\(stage.address)"])
      #expect(result.status == 125 && result.errorText.contains("TLS"), "\(result.errorText)")
    }
  }
}

extension Finished {
  fileprivate func expectSuccess() { #expect(status == 0, "\(errorText)") }
}
