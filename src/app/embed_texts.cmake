# cmake -D FOLDER=… -D OUT=… -P embed_texts.cmake: every text below FOLDER's help and completion as a raw string in OUT,
# so that the program carries them and needs no file of its own at run time.
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/help/*.md ${FOLDER}/completion/*)
list(SORT files)
set(code "// Made by src/app/embed_texts.cmake.\n#include \"app/texts.h\"\n\nnamespace thoughtrank {\n\n")
string(APPEND code "const std::vector<Text>& texts() {\n  static const std::vector<Text> all = {\n")
foreach(file IN LISTS files)
  file(READ ${FOLDER}/${file} text)
  string(APPEND code "      {\"${file}\", R\"text(${text})text\"},\n")
endforeach()
string(APPEND code "  };\n  return all;\n}\n\n}  // namespace thoughtrank\n")
file(WRITE ${OUT} "${code}")
