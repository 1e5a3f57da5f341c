internal import CSluiceFrames

/// The ABI version that a library states in its ELF note, read without running anything of it.
package enum LibraryNote {
  /// - Returns: nil when there is no such note, or more than one that differ.
  package static func find(_ image: [UInt8]) -> (major: Int, minor: Int)? {
    FrameCodec.withBytes(image) { bytes in
      var note = sluice_note_t()
      guard sluice_note_find(bytes, &note) == SLUICE_NOTE_OK else { return nil }
      return (Int(note.abi_major), Int(note.abi_minor))
    }
  }
}
