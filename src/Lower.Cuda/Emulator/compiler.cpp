// NVRTC's C interface over the machine's C++ compiler. A "cubin" is a small header and the bytes of a shared object.
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <spawn.h>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#ifndef PICOGRAD_CXX
#define PICOGRAD_CXX "g++"
#endif

extern char** environ;

namespace
{
struct Program
{
    std::string source, name, log, cubin;
    bool compiled = false;
};

std::mutex lock;
std::map<std::string, std::string> settings; // of picograd_emulator_set; the environment has what is not here

std::string setting(const char* name)
{
    std::lock_guard<std::mutex> hold(lock);
    auto it = settings.find(name);
    if (it != settings.end())
        return it->second;
    const char* value = getenv(name);
    return value ? value : "";
}

std::string folder()
{
    Dl_info info;
    if (!dladdr((void*)&folder, &info) || !info.dli_fname)
        return ".";
    std::string path = info.dli_fname;
    return path.substr(0, path.rfind('/'));
}

bool read(const std::string& path, std::string& text)
{
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return false;
    std::ostringstream all;
    all << in.rdbuf();
    text = all.str();
    return true;
}

// Written under another name first: readers see a whole file or none.
bool write(const std::string& path, const std::string& text)
{
    std::string other = path + "." + std::to_string(getpid()) + "." + std::to_string((uintptr_t)&text);
    {
        std::ofstream out(other, std::ios::binary);
        out << text;
        if (!out)
            return false;
    }
    return rename(other.c_str(), path.c_str()) == 0;
}

struct KernelRow
{
    std::string name, bounds, cluster;
};

bool word(char c) { return isalnum((unsigned char)c) || c == '_'; }

// The text with comments and strings blanked out, so that what is found in it is code. Same length, same lines.
std::string code_only(const std::string& text)
{
    std::string code = text;
    auto blank = [&](size_t from, size_t to)
    {
        for (size_t j = from; j < to && j < code.size(); j++)
            if (code[j] != '\n')
                code[j] = ' ';
    };
    bool line_start = true;
    for (size_t i = 0; i < code.size();)
    {
        size_t end = i + 1;
        char c = text[i];
        if (!text.compare(i, 2, "//"))
            end = text.find('\n', i);
        else if (!text.compare(i, 2, "/*"))
            end = text.find("*/", i + 2) == std::string::npos ? text.size() : text.find("*/", i + 2) + 2;
        else if (c == '"' || (c == '\'' && (i == 0 || !word(text[i - 1]))))
        {
            while (end < text.size() && text[end] != c)
                end += text[end] == '\\' ? 2 : 1;
            end++;
        }
        else if (c == '#' && line_start)
        {
            for (end = text.find('\n', i); end != std::string::npos && text[end - 1] == '\\';)
                end = text.find('\n', end + 1);
        }
        else
        {
            line_start = c == '\n' || (line_start && isspace((unsigned char)c));
            i = end;
            continue;
        }
        end = end == std::string::npos || end > text.size() ? text.size() : end;
        blank(i, end);
        if (c == '#')
            code[i] = ';'; // a directive ends whatever stood before it
        i = end;
    }
    return code;
}

size_t matching(const std::string& code, size_t open)
{
    int depth = 0;
    for (size_t i = open; i < code.size(); i++)
        if (code[i] == '(' || code[i] == '[' || code[i] == '{')
            depth++;
        else if ((code[i] == ')' || code[i] == ']' || code[i] == '}') && --depth == 0)
            return i;
    return std::string::npos;
}

size_t find_word(const std::string& code, const std::string& what, size_t from)
{
    for (size_t i = code.find(what, from); i != std::string::npos; i = code.find(what, i + 1))
        if ((i == 0 || !word(code[i - 1])) && (i + what.size() >= code.size() || !word(code[i + what.size()])))
            return i;
    return std::string::npos;
}

std::string trim(const std::string& s)
{
    size_t a = s.find_first_not_of(" \t\r\n"), b = s.find_last_not_of(" \t\r\n");
    return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

std::vector<KernelRow> kernels(const std::string& code, std::string& error)
{
    std::vector<KernelRow> rows;
    for (size_t i = find_word(code, "__global__", 0); i != std::string::npos; i = find_word(code, "__global__", i + 1))
    {
        KernelRow row;
        for (size_t j = i + 10; j < code.size();)
        {
            if (!word(code[j]))
            {
                j++;
                continue;
            }
            size_t end = j;
            while (end < code.size() && word(code[end]))
                end++;
            std::string name = code.substr(j, end - j);
            size_t open = code.find_first_not_of(" \t\r\n", end);
            if (open == std::string::npos || code[open] != '(')
            {
                j = end;
                continue;
            }
            size_t close = matching(code, open);
            if (close == std::string::npos)
                break;
            std::string inside = code.substr(open + 1, close - open - 1);
            if (name == "__launch_bounds__")
                row.bounds = inside;
            else if (name == "__cluster_dims__")
                row.cluster = inside;
            else if (name != "__attribute__" && name != "__align__")
            {
                row.name = name;
                std::stringstream parameters(inside);
                for (std::string parameter; std::getline(parameters, parameter, ',');)
                    if (find_word(parameter, "CUtensorMap", 0) != std::string::npos && parameter.find('*') == std::string::npos
                        && find_word(parameter, "__grid_constant__", 0) == std::string::npos)
                        error += "error: kernel " + name + ": a parameter of type CUtensorMap has to be a const __grid_constant__ one\n";
                break;
            }
            j = close + 1;
        }
        bool known = row.name.empty();
        for (auto& other : rows)
            known |= other.name == row.name;
        if (!known)
            rows.push_back(row);
    }
    return rows;
}

// __shared__ declarations become references into the block's window: `extern __shared__ T a[];` a pointer to its dynamic
// part, `__shared__ T a[4];` a reference to picograd_shared_variable<T[4], n>. Outside of functions they become macros.
std::string shared_variables(const std::string& text, const std::string& code)
{
    std::string result, macros;
    size_t done = 0;
    int count = 0;
    for (size_t i = find_word(code, "__shared__", 0); i != std::string::npos; i = find_word(code, "__shared__", i + 1))
    {
        size_t start = i, end = code.find(';', i);
        while (start > done && !strchr(";{}", code[start - 1]) && code[start - 1] != '#')
            start--;
        start = code.find_first_not_of(" \t\r\n", start);
        std::string statement = code.substr(start, end - start), alignment = "1";
        bool dynamic = false;
        for (const char* plain : {"__shared__", "extern", "static"})
            for (size_t at = find_word(statement, plain, 0); at != std::string::npos; at = find_word(statement, plain, 0))
            {
                dynamic |= !strcmp(plain, "extern");
                statement.replace(at, strlen(plain), " ");
            }
        for (const char* aligned : {"__align__", "alignas", "__attribute__"})
        {
            size_t at = find_word(statement, aligned, 0);
            if (at == std::string::npos)
                continue;
            size_t open = statement.find('(', at), close = matching(statement, open);
            std::string value = statement.substr(open + 1, close - open - 1);
            if (size_t inner = value.find("aligned"); inner != std::string::npos)
                value = value.substr(value.find('(', inner), matching(value, value.find('(', inner)) - value.find('(', inner) + 1);
            alignment = value;
            statement.erase(at, close + 1 - at);
        }
        int depth = 0;
        for (size_t j = 0; j < start; j++)
            depth += code[j] == '{' ? 1 : code[j] == '}' ? -1 : 0;
        // `extern "C" {` does not count as a function; a text with it around everything declares nothing shared outside.
        size_t newlines = 0;
        for (size_t j = start; j < end; j++)
            newlines += code[j] == '\n';
        result += text.substr(done, start - done);
        std::string type, piece;
        int nesting = 0;
        statement += ',';
        for (char c : statement)
        {
            nesting += (c == '[' || c == '(' || c == '<') - (c == ']' || c == ')' || c == '>');
            if (c != ',' || nesting)
            {
                piece += c;
                continue;
            }
            size_t name_end = piece.find('[') == std::string::npos ? piece.size() : piece.find('[');
            std::string dimensions = piece.substr(name_end), head = trim(piece.substr(0, name_end));
            size_t name_start = head.size();
            while (name_start > 0 && word(head[name_start - 1]))
                name_start--;
            if (type.empty())
                type = trim(head.substr(0, name_start));
            std::string name = head.substr(name_start), value;
            if (dynamic)
                value = "((" + type + "*)picograd_dynamic_shared(" + alignment + "))";
            else
                value = "(picograd_shared_variable<" + type + dimensions + ", " + std::to_string(count++) + ">(" + alignment + "))";
            if (depth == 0)
                result += "\n#define " + name + " " + value + "\n", newlines = 0;
            else if (dynamic)
                result += type + "* const " + name + " = " + value + "; ";
            else
                result += "auto& " + name + " = " + value + "; ";
            piece.clear();
        }
        if (depth == 0)
        {
            size_t line = 2;
            for (size_t j = 0; j < end; j++)
                line += code[j] == '\n';
            result += "#line " + std::to_string(line - 1) + "\n";
        }
        result.append(newlines, '\n');
        done = end + 1;
        i = end;
    }
    return result + text.substr(done);
}

bool spawn(const std::vector<std::string>& command, const std::string& log, int& status)
{
    std::vector<char*> arguments;
    for (auto& a : command)
        arguments.push_back((char*)a.c_str());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t child;
    int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return false;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

enum { Success = 0, OutOfMemory = 1, InvalidInput = 3, InvalidProgram = 4, InvalidOption = 5, Compilation = 6, Internal = 11 };

int compile(Program& p, int option_count, const char* const* options)
{
    std::string arch = "52", defines;
    std::vector<std::string> command = {PICOGRAD_CXX, "-x",    "c++",     "-std=c++17",    "-O1",
                                        "-w",         "-fPIC", "-shared", "-nostdlib",     "-fvisibility=hidden",
                                        "-fno-exceptions",     "-fno-rtti", "-fno-asynchronous-unwind-tables", "-fno-strict-aliasing",
                                        "-ffp-contract=off",   "-fno-stack-protector", "-fsanitize=alignment,bounds"};
    for (int i = 0; i < option_count; i++)
    {
        std::string o = options[i];
        size_t at = o.find("sm_") != std::string::npos ? o.find("sm_") + 3
            : o.find("compute_") != std::string::npos  ? o.find("compute_") + 8
                                                       : std::string::npos;
        if (o.rfind("--gpu-architecture", 0) == 0 || o.rfind("-arch", 0) == 0)
        {
            if (at == std::string::npos || !isdigit((unsigned char)o[at]))
            {
                p.log = "error: invalid value for --gpu-architecture: " + o + "\n";
                return InvalidOption;
            }
            arch = o.substr(at);
        }
        else if (o.rfind("-D", 0) == 0)
            command.push_back(o);
        else if (o.rfind("--define-macro=", 0) == 0)
            command.push_back("-D" + o.substr(15));
        else if (o.empty() || o[0] != '-' || o == setting("PICOGRAD_EMULATOR_REFUSED"))
        {
            p.log = "error: unrecognized option " + o + "\n";
            return InvalidOption;
        }
    }
    std::string number = arch;
    while (!number.empty() && !isdigit((unsigned char)number.back()))
        number.pop_back();
    command.push_back("-D__CUDA_ARCH__=" + number + "0");
    std::string home = folder();
    std::string code = code_only(p.source), error;
    auto rows = kernels(code, error);
    if (!error.empty())
    {
        p.log = error;
        return Compilation;
    }
    std::string text = "#line 1 \"" + p.name + "\"\n" + shared_variables(p.source, code)
        + "\n#line 1 \"kernels\"\nextern \"C\" __attribute__((visibility(\"default\"))) const picograd_kernel picograd_kernels[] = {\n";
    for (auto& row : rows)
    {
        // Bounds are up to three numbers, of which the first two count; a cluster is up to three, 1 where not given.
        auto part = [](const std::string& list, int n, const char* otherwise)
        {
            std::string piece;
            int depth = 0, at = 0;
            for (char c : list)
                if (depth += (c == '(') - (c == ')'), c == ',' && depth == 0)
                    at++;
                else if (at == n)
                    piece += c;
            return trim(piece).empty() ? std::string(otherwise) : "(int)(" + piece + ")";
        };
        std::string call = "picograd_call<&" + row.name + ">";
        text += "    {\"" + row.name + "\", " + call + "::run, " + call + "::count, " + call + "::bytes, " + part(row.bounds, 0, "1024")
            + ", " + part(row.bounds, 1, "0") + ", " + part(row.cluster, 0, "0") + ", " + part(row.cluster, 1, "1") + ", "
            + part(row.cluster, 2, "1") + "},\n";
    }
    text += "    {}};\n";
    uint64_t hash = 14695981039346656037ull;
    std::string key = text + "\0" + arch;
    for (auto& c : command)
        key += "\n" + c;
    for (unsigned char c : key)
        hash = (hash ^ c) * 1099511628211ull;
    char hex[20];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    std::string kernels_folder = home + "/kernels", stem = kernels_folder + "/" + hex, object, known;
    mkdir(kernels_folder.c_str(), 0700);
    bool use_cache = setting("PICOGRAD_EMULATOR_CACHE") != "0";
    if (!(use_cache && read(stem + ".key", known) && known == key && read(stem + ".so", object)))
    {
        static int serial;
        int mine;
        {
            std::lock_guard<std::mutex> hold(lock);
            mine = serial++;
        }
        std::string own = stem + "." + std::to_string(getpid()) + "." + std::to_string(mine);
        if (!write(own + ".cu", text))
        {
            p.log = "error: cannot write " + own + ".cu\n";
            return Internal;
        }
        command.insert(command.end(), {"-include", home + "/emulation.h", "-o", own + ".so", own + ".cu"});
        int status = 0;
        bool started = spawn(command, own + ".log", status);
        read(own + ".log", p.log);
        bool good = started && status == 0 && read(own + ".so", object);
        for (const char* ending : {".cu", ".log", ".so"})
            unlink((own + ending).c_str());
        if (!started)
        {
            p.log = std::string("error: the C++ compiler ") + PICOGRAD_CXX + " could not be started\n";
            return Internal;
        }
        if (!good)
        {
            if (p.log.empty())
                p.log = "error: the C++ compiler ended with status " + std::to_string(status) + "\n";
            return Compilation;
        }
        if (write(stem + ".so", object))
            write(stem + ".key", key);
    }
    uint64_t size = object.size();
    char header[32] = "PICOGRAD";
    memcpy(header + 8, &size, 8);
    snprintf(header + 16, 16, "%s", arch.c_str());
    p.cubin = std::string(header, 32) + object;
    return Success;
}
} // namespace

#define PICOGRAD_EXPORT extern "C" __attribute__((visibility("default")))

PICOGRAD_EXPORT void picograd_emulator_set(const char* name, const char* value)
{
    std::lock_guard<std::mutex> hold(lock);
    if (value)
        settings[name] = value;
    else
        settings.erase(name);
}

PICOGRAD_EXPORT int nvrtcVersion(int* major, int* minor)
{
    if (!major || !minor)
        return InvalidInput;
    std::string version = setting("PICOGRAD_EMULATOR_NVRTC_VERSION");
    if (version.empty() || sscanf(version.c_str(), "%d.%d", major, minor) != 2)
    {
        *major = 12;
        *minor = 4;
    }
    return Success;
}

// Compute capabilities that have something of their own in the prelude or the search.
static const int architectures[] = {75, 80, 86, 87, 89, 90};
PICOGRAD_EXPORT int nvrtcGetNumSupportedArchs(int* count)
{
    if (!count)
        return InvalidInput;
    *count = sizeof architectures / sizeof *architectures;
    return Success;
}
PICOGRAD_EXPORT int nvrtcGetSupportedArchs(int* list)
{
    if (!list)
        return InvalidInput;
    memcpy(list, architectures, sizeof architectures);
    return Success;
}

PICOGRAD_EXPORT const char* nvrtcGetErrorString(int result)
{
    static const char* const names[] = {
        "NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT",
        "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION",
        "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE", "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
        "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION", "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID", "NVRTC_ERROR_INTERNAL_ERROR"};
    return result >= 0 && result < 12 ? names[result] : "NVRTC_ERROR unknown";
}

PICOGRAD_EXPORT int nvrtcCreateProgram(
    void** program, const char* source, const char* name, int headers, const char* const*, const char* const*)
{
    if (!program || !source || headers < 0)
        return InvalidInput;
    if (headers > 0)
        return InvalidInput; // the texts of this project need none
    auto* p = new Program();
    p->source = source;
    p->name = name && *name ? name : "default_program";
    *program = p;
    return Success;
}

PICOGRAD_EXPORT int nvrtcDestroyProgram(void** program)
{
    if (!program || !*program)
        return InvalidProgram;
    delete (Program*)*program;
    *program = nullptr;
    return Success;
}

PICOGRAD_EXPORT int nvrtcCompileProgram(void* program, int count, const char* const* options)
{
    if (!program)
        return InvalidProgram;
    auto& p = *(Program*)program;
    int result = compile(p, count, options);
    p.compiled = result == Success;
    return result;
}

static int give(const std::string& from, char* to, bool terminated)
{
    if (!to)
        return InvalidInput;
    memcpy(to, from.data(), from.size());
    if (terminated)
        to[from.size()] = 0;
    return Success;
}

PICOGRAD_EXPORT int nvrtcGetProgramLogSize(void* program, size_t* size)
{
    if (!program || !size)
        return InvalidInput;
    *size = ((Program*)program)->log.size() + 1;
    return Success;
}
PICOGRAD_EXPORT int nvrtcGetProgramLog(void* program, char* log)
{
    return program ? give(((Program*)program)->log, log, true) : InvalidProgram;
}
PICOGRAD_EXPORT int nvrtcGetCUBINSize(void* program, size_t* size)
{
    if (!program || !size)
        return InvalidInput;
    if (!((Program*)program)->compiled)
        return InvalidProgram;
    *size = ((Program*)program)->cubin.size();
    return Success;
}
PICOGRAD_EXPORT int nvrtcGetCUBIN(void* program, char* cubin)
{
    return program && ((Program*)program)->compiled ? give(((Program*)program)->cubin, cubin, false) : InvalidProgram;
}
// There is no PTX; what stands for it loads like the cubin.
PICOGRAD_EXPORT int nvrtcGetPTXSize(void* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
PICOGRAD_EXPORT int nvrtcGetPTX(void* program, char* ptx) { return nvrtcGetCUBIN(program, ptx); }
