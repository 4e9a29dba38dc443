import TelpherAccess
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherServer

@Suite struct HubRegistryTests {
  private let loop = MemoryLoop(network: MemoryNetwork())

  private func desk(_ identity: Identity) -> HubDesk { HubDesk(owner: identity, on: loop) }
  private func name(_ text: String) throws -> HubName { try #require(HubName(text)) }

  /// Not even the hub's owner takes a name over.
  @Test func anotherIdentityCannotTakeAName() throws {
    let registry = HubRegistry(SocketLimits())
    let first = desk(.key("SHA256:a"))
    #expect(try registry.register(try name("web"), first) == nil)
    for identity in [Identity.key("SHA256:b"), .owner, .certificate("SHA256:a")] {
      let refusal = #expect(throws: SocketRefusal.self) {
        try registry.register(try name("web"), desk(identity))
      }
      #expect(refusal?.message.contains("held by another") == true)
    }
    #expect(registry.find(try name("web")) === first)
  }

  /// A server that was restarted is not locked out by its own dead connection, whose end comes later.
  @Test func aNewerRegistrationOfTheSameIdentityReplacesTheOlder() throws {
    let registry = HubRegistry(SocketLimits())
    let (old, new) = (desk(.owner), desk(.owner))
    #expect(try registry.register(try name("web"), old) == nil)
    #expect(try registry.register(try name("web"), new) === old)
    registry.release(try name("web"), old)
    #expect(registry.find(try name("web")) === new)
    registry.release(try name("web"), new)
    #expect(registry.find(try name("web")) == nil)
    // It is free for everyone now.
    #expect(try registry.register(try name("web"), desk(.key("SHA256:b"))) == nil)
  }

  @Test func namesAreLimitedPerIdentityAndInAll() throws {
    var limits = SocketLimits()
    (limits.maxHubNames, limits.maxHubNamesPerIdentity) = (3, 2)
    let registry = HubRegistry(limits)
    let one = desk(.key("1"))
    #expect(try registry.register(try name("a"), one) == nil)
    #expect(try registry.register(try name("b"), one) == nil)
    let own = #expect(throws: SocketRefusal.self) { try registry.register(try name("c"), one) }
    #expect(own?.message.contains("max_hub_names_per_identity") == true)
    // To replace a name needs no further place.
    #expect(try registry.register(try name("b"), desk(.key("1"))) === one)
    #expect(try registry.register(try name("c"), desk(.key("2"))) == nil)
    let all = #expect(throws: SocketRefusal.self) {
      try registry.register(try name("d"), desk(.key("3")))
    }
    #expect(all?.message.contains("(max_hub_names)") == true)
    registry.release(try name("a"), one)
    #expect(try registry.register(try name("d"), desk(.key("3"))) == nil)
  }

  @Test(arguments: ["", "-a", ".a", "a/b", "a b", "ä", "a:b", String(repeating: "a", count: 65)])
  func whatIsNoNameIsRefused(_ text: String) { #expect(HubName(text) == nil) }

  @Test(arguments: ["a", "9", "web-1.example_x", String(repeating: "a", count: 64)])
  func aNameIsRead(_ text: String) { #expect(HubName(text)?.description == text) }
}
