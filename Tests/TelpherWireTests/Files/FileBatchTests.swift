import TelpherWire
import Testing

/// Records that announce several files.
@Suite struct FileBatchTests {
  @Test func aRecordOfFilesIsOneLineAndDecodesToTheSame() throws {
    var batch = FileBatch(folder: PathText("a/b"), mode: 0o640)
    batch.append("x", size: 5, mtimeNS: 1_767_225_600_000_000_001)
    batch.append("y\n\"", size: 0, mtimeNS: -1)
    let record = TreeRecord.files(batch)
    let line = record.encoded()
    #expect(
      String(decoding: line, as: UTF8.self)
        == #"{"files":{"in":"a/b","mode":416,"mtimes_ns":[1767225600000000001,-1],"#
        + #""names":["x","y\n\""],"sizes":[5,0]}}"# + "\n")
    #expect(try TreeRecord.decode(lines: line) == [record])
  }

  @Test(arguments: [
    #"{"in":"a","mode":420,"names":["x","y"],"sizes":[1],"mtimes_ns":[1,2]}"#,
    #"{"in":"a","mode":420,"names":["x"],"sizes":[1],"mtimes_ns":[]}"#,
    #"{"in":"a","mode":420,"names":["x"],"sizes":[1]}"#,
    #"{"in":"a","mode":420,"names":["x"],"sizes":["1"],"mtimes_ns":[1]}"#,
    #"{"in":"a","mode":-1,"names":[],"sizes":[],"mtimes_ns":[]}"#,
    #"{"mode":420,"names":[],"sizes":[],"mtimes_ns":[]}"#,
  ]) func whatDoesNotFitTogetherIsRefused(_ json: String) {
    let error = #expect(throws: WireError.self) {
      try TreeRecord.decode(lines: Array(#"{"files":\#(json)}"#.utf8))
    }
    #expect(error?.code == .protocolError)
    #expect(error?.message.hasPrefix("a record of channel 5") == true)
  }
}
