import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherFileStore

/// Changes between the opening of a partial file and its lock.
@Suite struct PartialClaimTests {
  private let name = PartialName.ofFile("file".bytes, slot: 0)

  private func outcome(
    after change: (Sandbox, String) throws -> Void
  ) throws -> PartialClaim.Outcome {
    let sandbox = try Sandbox()
    let path = String(decoding: name, as: UTF8.self)
    try sandbox.write(path, "half")
    let file = open(sandbox.inside(path), O_RDWR)
    try check(file, "open")
    defer { close(file) }
    try change(sandbox, path)
    return PartialClaim.lock(file, name, in: try sandbox.top(), isFresh: false)
  }

  @Test func unchangedPartialIsClaimed() throws {
    guard case .claimed(let claim) = try outcome(after: { _, _ in }) else {
      Issue.record("it is not claimed")
      return
    }
    #expect(claim.name == name)
    #expect(claim.length == 4)
  }

  /// The previous owner has finished, so writing to the file would change the destination.
  @Test func partialRenamedToTheDestinationIsNotClaimed() throws {
    let outcome = try outcome { sandbox, path in
      try sandbox.root.move(RelativePath(path), to: "file", replacing: true)
    }
    guard case .gone = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test func partialThatWasReplacedIsNotClaimed() throws {
    let outcome = try outcome { sandbox, path in
      // Rename the file instead of removing it, so that the new one can't get the same inode.
      try sandbox.root.move(RelativePath(path), to: "other", replacing: true)
      try sandbox.write(path, "another")
    }
    guard case .gone = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test func lockedPartialIsNotClaimed() throws {
    var other: Int32 = -1
    defer { close(other) }
    let outcome = try outcome { sandbox, path in
      other = open(sandbox.inside(path), O_RDWR)
      try check(flock(other, LOCK_EX | LOCK_NB), "flock")
    }
    guard case .locked = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  /// A transfer that has broken off may hold its lock a moment longer. A transfer that resumes
  /// needs that partial file, not another one.
  @Test func waitingTransferClaimsThePartialWhenItIsUnlocked() throws {
    let sandbox = try Sandbox()
    let top = try sandbox.top()
    var earlier: Partial? = try Partial.open(for: "file".bytes, in: top, keeping: true)
    try earlier?.write("half")
    let impatient = try PartialClaim(for: "file".bytes, in: top, "file")
    #expect(impatient.name != name)
    close(impatient.descriptor)
    let patient = try PartialClaim(for: "file".bytes, in: top, "file", deadline: .max) {
      earlier = nil
    }
    #expect(patient.name == name)
    #expect(patient.length == 4)
    close(patient.descriptor)
  }
}
