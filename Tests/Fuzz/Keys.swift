/// Reads any bytes with each parser of keys and signatures.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzKeys(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  AnyInput.read(Array(UnsafeRawBufferPointer(start: start, count: count)))
  return 0
}
