import ArgumentParser
import TelpherClient
import Testing

@testable import TelpherCLI

struct TransferFlagsTests {
  @Test func theDefaultsAreThoseOfTheClient() throws {
    let options = try TransferFlags.parse([]).options
    #expect(options.digest == .xxh128 && !options.comparesDigests)
    #expect(options.ifExists == nil && !options.resume && options.sync)
  }

  @Test func eachFlagSetsItsOption() throws {
    let flags = try TransferFlags.parse([
      "-r", "--resume", "--digest", "md5", "--if-exists", "skip", "--no-sync", "--parents",
    ])
    let options = flags.options
    #expect(flags.recursive && options.resume && !options.sync)
    #expect(options.digest == .md5 && options.ifExists == .skip && options.makesParents)
  }

  @Test func onlyChecksumComparesDigests() throws {
    #expect(try TransferFlags.parse(["--checksum"]).options.comparesDigests)
    #expect(try !TransferFlags.parse(["--digest", "xxh128"]).options.comparesDigests)
  }

  @Test(arguments: [["--digest", "crc32"], ["--if-exists", "ask"]])
  func anInvalidValueIsRefusedWithTheListOfValidOnes(_ arguments: [String]) {
    #expect {
      try TransferFlags.parse(arguments)
    } throws: {
      let text = TransferFlags.message(for: $0)
      return text.contains("md5") || text.contains("replace, fail, skip, newer, changed")
    }
  }

  @Test func pickTakesAnOptionalDirectionAndAFolder() throws {
    #expect(throws: Never.self) { try PickCommand.parse(["x"]) }
    #expect(throws: Never.self) { try PickCommand.parse(["put", "x"]) }
    for words in [["put"], ["get"], ["push", "x"], ["get", "x", "y"], []] {
      #expect(throws: (any Error).self) { try PickCommand.parse(words) }
    }
  }
}
