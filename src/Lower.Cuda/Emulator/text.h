// What the compiler of the emulator finds in and makes of a kernel's text: the kernels with their launch bounds, and shared
// variables, which become references into the block's window.
#pragma once
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace
{
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
} // namespace
