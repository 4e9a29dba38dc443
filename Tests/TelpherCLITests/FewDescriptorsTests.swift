import Testing

/// Programs that may open only a few descriptors.
struct FewDescriptorsTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// libuv would call abort(3) in some of these cases.
  @Test(arguments: Array(4...24))
  func withTooFewDescriptorsTheClientFails(_ limit: Int) async throws {
    let result = try await sandbox.shell(
      "ulimit -n \(limit) && exec telpher run --connect-timeout 10m -- true")
    if result.status == 0 { return #expect(limit > 16) }
    #expect(result.status == 125)
    #expect(!result.error.isEmpty)
    #expect(!result.errorText.contains("start a server"), "the server is not the reason")
  }

  @Test func aServerIsNotBlamedForTooFewDescriptors() async throws {
    let (_, addresses) = try await sandbox.serve()
    let address = try #require(addresses.first)
    for limit in 8...14 {
      let result = try await sandbox.shell(
        "ulimit -n \(limit) && exec telpher run --on \(address) -- true")
      #expect(result.status == 0 || !result.errorText.contains("start a server"))
    }
  }

  @Test func twoHundredFilesAreStoredWithFortyDescriptors() async throws {
    let result = try await sandbox.shell(
      """
      mkdir "$HOME/many" && cd "$HOME/many" && for n in $(seq 200); do echo $n >$n; done
      cd && mkdir there && ulimit -n 40 && telpher put -r many there && diff -r many there/many
      """)
    #expect(result.status == 0, "\(result.errorText)")
  }
}
