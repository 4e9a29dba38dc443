import ArgumentParser
import Glibc
import TelpherTransport
import Testing

@testable import TelpherCLI

struct LimitArgumentTests {
  @Test(
    arguments: [
      ("0", 0), ("4096", 4_096), ("1k", 1_024), ("100K", 102_400), ("512M", 512 << 20),
      ("512MiB", 512 << 20), ("512mb", 512 << 20), ("1.5G", 3 << 29), ("0.5k", 512),
      ("1T", 1 << 40),
      ("7B", 7), ("4194304T", 1 << 62),
    ] as [(String, UInt64)])
  func aSizeIsRead(_ text: String, _ bytes: UInt64) throws {
    #expect(try SizeArgument.parse(text) == bytes)
  }

  @Test(arguments: [
    "", "x", "-1", "+1", "1.5", "1e3", "1 M", "M", "1MM", "1iBB", "0x10", "1..5G", ".", "٣",
    "4194305T", "18446744073709551616", "99999999999999999999999",
  ])
  func anythingElseIsNoSize(_ text: String) {
    #expect(throws: (any Error).self) { try SizeArgument.parse(text) }
  }

  @Test(
    arguments: [
      ("memory=1G", .treeMemoryBytes, 1 << 30), ("cpus=1.5", .treeCPUMilli, 1_500),
      ("cpus=0.01", .treeCPUMilli, 10), ("pids=20", .treeProcesses, 20), ("nice=0", .nice, 0),
      ("cpu-time=1.2s", .cpuSeconds, 2), ("cpu-time=0", .cpuSeconds, 1),
      ("cpu-time=2m", .cpuSeconds, 120), ("open-files=64", .openFiles, 64),
      ("file-size=0", .fileBytes, 0), ("address-space=1M", .memoryBytes, 1 << 20),
      ("core-size=0", .coreBytes, 0), ("user-processes=5", .processes, 5),
    ] as [(String, ResourceLimit.Kind, UInt64)])
  func aNamedLimitIsRead(_ text: String, _ kind: ResourceLimit.Kind, _ value: UInt64) throws {
    #expect(try LimitArgument.parseNamed(text) == ResourceLimit(kind, value))
  }

  @Test(arguments: [
    "memory", "memory=", "=1", "mem=1G", "memory=0", "cpus=0", "cpus=1001", "cpus=x", "pids=0",
    "pids=1.5", "nice=20", "nice=-1", "open-files=0", "cpu-time=x", "address-space=0",
  ])
  func anythingElseIsNoLimit(_ text: String) {
    #expect(throws: ValidationError.self) { try LimitArgument.parseNamed(text) }
  }

  @Test func aSignalIsReadByNameAndNumber() throws {
    for text in ["9", "KILL", "SIGKILL", "kill", "sigkill"] {
      #expect(try SignalArgument.parse(text) == SIGKILL)
    }
    for text in ["0", "65", "-9", "SIG", "SIGSIGKILL", ""] {
      #expect(throws: ValidationError.self) { try SignalArgument.parse(text) }
    }
  }
}
