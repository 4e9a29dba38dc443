import Glibc
import TelpherTestSupport
import Testing

/// Servers and clients by vsock, where the kernel has it.
@Suite(.timeLimit(.minutes(5)), .enabled(if: Vsock.exists, "this kernel has no vsock"))
struct VsockTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func aServerListensAndMakesItsToken() async throws {
    let (server, addresses) = try await sandbox.serve("--listen", "vsock:any:0")
    let address = try #require(addresses.first)
    #expect(address.hasPrefix("vsock:any:") && !address.hasSuffix(":0"))
    #expect(mode(of: sandbox.folder + "/.config/telpher/token") == 0o600)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func aClientNeedsTheToken() async throws {
    let result = try await sandbox.telpher("run", "--on", "vsock:local:7", "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains("/.config/telpher/token"))
  }

  @Test(.enabled(if: Vsock.hasLoopback, "\(Vsock.reason)"), arguments: [["--keep", "0"], []])
  func aCommandRuns(_ options: [String]) async throws {
    let (server, addresses) = try await sandbox.serve("--listen", "vsock:any:0")
    let address = try #require(addresses.first).replacing("any", with: "local")
    let result = await
      (try sandbox.start(["run", "--on", address] + options + ["--", "echo", "x"])).finish()
    #expect(result.status == 0)
    #expect(result.text == "x\n")
    #expect(try await sandbox.telpher("disconnect").status == 0)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }
}
