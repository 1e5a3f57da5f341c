# Turns a profile into rows of the worker's filter table: awk -v name=run -f generate.awk run.txt
BEGIN { printf "// Generated from sandbox/profiles/%s.txt.\nstatic const profile_row_t profile_%s[] = {\n", name, name }
{ sub(/#.*/, "") }
NF == 0 { next }
NF != 2 { printf "%s:%d: expected: system call, rule\n", FILENAME, FNR > "/dev/stderr"; failed = 1; exit 1 }
{
    rule = toupper($2); gsub(/-/, "_", rule)
    printf "#ifdef SYS_%s\n    {SYS_%s, RULE_%s},\n#endif\n", $1, $1, rule
}
END { if (!failed) print "};" }
