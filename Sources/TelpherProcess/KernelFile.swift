internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Reads a file of /proc or of a control group. Nil if it can't be read (any more). The kernel
/// creates the contents at each read, so such files have no size.
func readSmallFile(in folder: Int32 = AT_FDCWD, _ path: String) -> [UInt8]? {
  let descriptor = telpher_open_at(folder, path, O_RDONLY)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  while true {
    let more = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    if more.isEmpty { return bytes }
    bytes += more
  }
}

/// Reads a file of /proc or of a control group as text.
func readSmallText(in folder: Int32 = AT_FDCWD, _ path: String) -> String? {
  readSmallFile(in: folder, path).map { String(decoding: $0, as: UTF8.self) }
}

/// Writes `text` to a file of a control group. Returns 0 or the error number.
func writeSmallFile(in folder: Int32, _ path: String, _ text: String) -> Int32 {
  let descriptor = telpher_open_at(folder, path, O_WRONLY)
  guard descriptor >= 0 else { return -descriptor }
  defer { close(descriptor) }
  var text = text
  return text.withUTF8 { write(descriptor, $0.baseAddress, $0.count) } < 0 ? errno : 0
}

/// The names in the folder that is open as `descriptor`, without `.` and `..`. Empty if the folder
/// can't be read. The descriptor stays open.
func names(inFolder descriptor: Int32, foldersOnly: Bool = false) -> [String] {
  let copy = telpher_open_at(descriptor, ".", O_RDONLY | O_DIRECTORY)
  guard copy >= 0 else { return [] }
  guard let folder = fdopendir(copy) else {
    close(copy)
    return []
  }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    if foldersOnly && entry.pointee.d_type != UInt8(DT_DIR) { continue }
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}
