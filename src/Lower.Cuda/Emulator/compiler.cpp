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

#include "text.h"

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
